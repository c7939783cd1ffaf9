import { Command } from 'commander';
import { createRoot, type IssuerKeyType } from '@certmill/trust';
import { passphraseOf } from '../../hierarchy.js';
import { withExamples } from '../../terminal/program.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import {
  type ConstraintOptions,
  constraintsOf,
  keyOption,
  lifetimeOf,
  type LifetimeOptions,
  statusOf,
  type StatusOptions,
  subjectOf,
  type SubjectOptions,
  withConstraintOptions,
  withLifetimeOption,
  withStatusOptions,
  withSubjectOption,
} from './ca-options.js';
import { authorityView } from './ca-view.js';

export function rootCommand(terminal: Terminal): Command {
  const command = new Command('root')
    .description('make a root alone, e.g. in a folder that is kept offline')
    .addOption(dataOption())
    .addOption(keyOption('ec-p384'))
    .option('--json', 'print one JSON object')
    .action(
      async (
        options: { data: string; key: IssuerKeyType } & SubjectOptions &
          LifetimeOptions &
          ConstraintOptions &
          StatusOptions,
      ) => {
        const root = await createRoot(
          {
            directory: options.data,
            passphrase: await passphraseOf(terminal, options.data),
            subjectDer: subjectOf(options, 'root CA'),
            keyType: options.key,
            ...constraintsOf(options),
            ...lifetimeOf(options),
            ...statusOf(options),
          },
          Date.now(),
        );
        terminal.report(authorityView(root), [`made root ${root.subject}: ${root.chainFile}`]);
      },
    );
  withStatusOptions(
    withConstraintOptions(
      withLifetimeOption(withSubjectOption(command)),
      'CAs that may follow below it; default: no limit',
    ),
  );
  return withExamples(command, [
    [
      "certmill ca root --data /media/root --subject 'O=Example,CN=Example root' --path-length 2",
      'a root for three tiers on a medium of its own',
    ],
  ]);
}
