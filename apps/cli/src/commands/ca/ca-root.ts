import { Command } from 'commander';
import { createRoot, type IssuerKeyType, readRevokedBefore } from '@certmill/trust';
import { readText } from '../../read-input.js';
import { withExamples } from '../../terminal/program.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import {
  type ConstraintOptions,
  keyOption,
  keyPlaceOf,
  lifetimeOf,
  type LifetimeOptions,
  type SlotOption,
  statusOf,
  type StatusOptions,
  type SubjectOptions,
  withConstraintOptions,
  withLifetimeOption,
  withSlotOption,
  withStatusOptions,
  withSubjectOption,
} from './ca-options.js';
import {
  type CaProfileOptions,
  certificateWishOf,
  withCaProfileOptions,
} from './ca-profile-options.js';
import { authorityView } from './ca-view.js';
import { makeFirstCrl } from './first-crl.js';

export function rootCommand(terminal: Terminal): Command {
  const command = new Command('root')
    .description('make a root alone, e.g. in a folder that is kept offline')
    .addOption(dataOption())
    .addOption(keyOption('ec-p384'))
    .option(
      '--revoked-before <file>',
      'of the root that it follows, by certmill ca revoked: keys that it signs nothing over',
    )
    .option('--json', 'print one JSON object')
    .action(
      async (
        options: { data: string; key?: IssuerKeyType; revokedBefore?: string } & SubjectOptions &
          CaProfileOptions &
          SlotOption &
          LifetimeOptions &
          ConstraintOptions &
          StatusOptions,
      ) => {
        const { revokedBefore: file } = options;
        const revokedBefore =
          file === undefined ? undefined : readRevokedBefore(await readText(file), file);
        const key = await keyPlaceOf(terminal, options.data, options);
        const nowMs = Date.now();
        const root = await createRoot(
          {
            directory: options.data,
            ...key,
            ...certificateWishOf(options, { key: 'ec-p384', commonName: 'root CA' }),
            ...lifetimeOf(options),
            ...statusOf(options),
            ...(revokedBefore === undefined ? {} : { revokedBefore }),
          },
          nowMs,
        );
        await makeFirstCrl({ directory: options.data, name: root.name, ...key }, nowMs);
        terminal.report(authorityView(root), [
          `made root ${root.subject}: ${root.chainFile}`,
          ...(options.slot === undefined
            ? [
                'its key lies there whole, under one passphrase: a ceremony makes a root whose key is split',
              ]
            : []),
        ]);
      },
    );
  withStatusOptions(
    withConstraintOptions(
      withLifetimeOption(withCaProfileOptions(withSlotOption(withSubjectOption(command)), 'root')),
      'CAs that may follow below it; default: no limit',
    ),
  );
  return withExamples(command, [
    [
      "certmill ca root --data /media/root --subject 'O=Example,CN=Example root' --path-length 2",
      'a root for three tiers on a medium of its own',
    ],
    [
      "certmill ca root --profile matter-paa --vendor-id FFF1 --subject 'O=Example,CN=Example PAA'",
      'a Matter product attestation authority of one vendor',
    ],
    [
      'certmill ca root --data /media/root --slot slot.yaml',
      'the key is made in an HSM and stays there',
    ],
  ]);
}
