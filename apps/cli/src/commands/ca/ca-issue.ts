import { Command } from 'commander';
import { caCommonName, issueAuthority, type IssuerKeyType } from '@certmill/trust';
import { withExamples } from '../../terminal/program.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import {
  type ConstraintOptions,
  keyOption,
  keyPlaceOf,
  lifetimeOf,
  type LifetimeOptions,
  type OrderOption,
  orderOf,
  type ParentOptions,
  placeOf,
  type SlotOption,
  statusOf,
  type StatusOptions,
  type SubjectOptions,
  withConstraintOptions,
  withLifetimeOption,
  withSlotOption,
  withOrderOption,
  withParentOptions,
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

interface IssueOptions
  extends
    SubjectOptions,
    CaProfileOptions,
    SlotOption,
    LifetimeOptions,
    ConstraintOptions,
    StatusOptions,
    OrderOption,
    ParentOptions {
  readonly data: string;
  readonly under: string;
  readonly key?: IssuerKeyType;
}

export function issueCommand(terminal: Terminal): Command {
  const command = new Command('issue')
    .description('make a CA under one whose key is at hand')
    .argument('<name>', 'name of the new CA')
    .requiredOption('--under <ca>', 'the CA that signs it')
    .addOption(dataOption())
    .addOption(keyOption('ec-p256'))
    .option('--json', 'print one JSON object')
    .action(async (name: string, options: IssueOptions) => {
      const { data, under } = options;
      const kind = (options.pathLength ?? 0) === 0 ? 'issuing' : 'intermediate';
      const key = await keyPlaceOf(terminal, data, options);
      const parent = await placeOf(terminal, under, data, options);
      const nowMs = Date.now();
      const ca = await issueAuthority(
        {
          name,
          directory: data,
          ...key,
          ...certificateWishOf(options, {
            key: 'ec-p256',
            commonName: caCommonName(name, `${kind} CA`),
            pathLenConstraint: 0,
          }),
          ...lifetimeOf(options),
          ...statusOf(options),
          ...orderOf(options),
        },
        parent,
        nowMs,
      );
      await makeFirstCrl(parent, nowMs);
      await makeFirstCrl({ directory: data, name, ...key }, nowMs);
      terminal.report(authorityView(ca), [
        `made ${kind} CA ${name} under ${under}: ${ca.chainFile}`,
      ]);
    });
  withParentOptions(
    withOrderOption(
      withStatusOptions(
        withConstraintOptions(
          withLifetimeOption(
            withCaProfileOptions(withSlotOption(withSubjectOption(command)), 'below'),
          ),
          'CAs that may follow below it; default 0: an issuing CA',
        ),
      ),
    ),
  );
  return withExamples(command, [
    [
      'certmill ca issue oem --under root --path-length 1',
      'an intermediate: the second tier of three',
    ],
    ['certmill ca issue firmware --under oem --permit dns:example.com', 'an issuing CA under it'],
    [
      'certmill ca issue line-7 --under root --for-order acme/line-7 --lifetime 2y',
      'a kill switch: an issuer of one order',
    ],
    [
      'certmill ca issue factory-c --under root --parent-data /media/root',
      'under a root whose folder is mounted for it',
    ],
    [
      'certmill ca issue pai --under root --profile matter-pai --vendor-id FFF1',
      'a Matter product attestation intermediate, under a PAA',
    ],
  ]);
}
