import { Option } from 'commander';

/** Where the fleet's configuration is: `--config`, CERTMILL_CONFIG. */
export function configOption(): Option {
  return new Option('--config <file>', "the fleet's configuration in YAML or JSON")
    .env('CERTMILL_CONFIG')
    .makeOptionMandatory();
}
