import { Option } from 'commander';

/** Where the data folder is: `--data`, CERTMILL_DATA, or `certmill-data` here. */
export const dataOption = (): Option =>
  new Option('--data <dir>', 'data folder').env('CERTMILL_DATA').default('certmill-data');
