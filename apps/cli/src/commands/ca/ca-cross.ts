import { Command } from 'commander';
import { crossCertify } from '@certmill/trust';
import { withExamples } from '../../terminal/program.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import {
  type ConstraintOptions,
  constraintsOf,
  lifetimeOf,
  type LifetimeOptions,
  type ParentOptions,
  placeOf,
  withConstraintOptions,
  withLifetimeOption,
  withParentOptions,
} from './ca-options.js';

interface CrossCommandOptions extends LifetimeOptions, ParentOptions, ConstraintOptions {
  readonly data: string;
  readonly under: string;
}

export function crossCommand(terminal: Terminal): Command {
  const command = new Command('cross')
    .description('cross-certify a CA: its subject and key under another one, beside its own chain')
    .argument('<name>', 'name of the CA')
    .requiredOption('--under <ca>', 'the CA that vouches for it')
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (name: string, options: CrossCommandOptions) => {
      const { data, under } = options;
      const { pathLenConstraint, nameConstraints } = constraintsOf(options);
      const { chainDer, file } = await crossCertify({
        directory: data,
        name,
        by: await placeOf(terminal, under, data, options),
        ...(pathLenConstraint === undefined ? {} : { pathLenConstraint }),
        ...(nameConstraints === undefined ? {} : { nameConstraints }),
        ...lifetimeOf(options),
        nowMs: Date.now(),
      });
      terminal.report({ name, under, chainFile: file, certificates: chainDer.length }, [
        `${under} vouches for ${name}: ${file}`,
      ]);
    });
  withParentOptions(
    withConstraintOptions(
      withLifetimeOption(command),
      "CAs that may follow below it; default: as in the CA's own certificate",
    ),
  );
  return withExamples(command, [
    [
      'certmill ca cross root --under root --parent-data /media/new-root',
      'who trusts the new root takes what the old one signed',
    ],
  ]);
}
