import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { type IssuerKeyType, requestAuthority, requestRenewal } from '@certmill/trust';
import { withExamples } from '../../terminal/program.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import {
  type ConstraintOptions,
  keyAccessOf,
  keyOption,
  keyPlaceOf,
  type OrderOption,
  orderOf,
  type SlotOption,
  statusOf,
  type StatusOptions,
  type SubjectOptions,
  withConstraintOptions,
  withOrderOption,
  withSlotOption,
  withStatusOptions,
  withSubjectOption,
} from './ca-options.js';
import {
  type CaProfileOptions,
  certificateWishOf,
  withCaProfileOptions,
} from './ca-profile-options.js';

interface RequestOptions
  extends
    SubjectOptions,
    CaProfileOptions,
    SlotOption,
    ConstraintOptions,
    StatusOptions,
    OrderOption {
  readonly data: string;
  readonly key?: IssuerKeyType;
  readonly renewal?: true;
  readonly out?: string;
}

export function requestCommand(terminal: Terminal): Command {
  const command = new Command('request')
    .description("make the request of a CA under somebody else's or an offline root")
    .argument('<name>', 'name of the CA')
    .addOption(dataOption())
    .addOption(keyOption('ec-p256'))
    .option('--renewal', 'for subject and key of the CA that is there; other options do not apply')
    .option(
      '-o, --out <file>',
      'where the request is written; default: it stays in the data folder',
    )
    .option('--json', 'print one JSON object')
    .action(async (name: string, options: RequestOptions) => {
      const { data, out } = options;
      const { requestPem, file } =
        options.renewal === true
          ? {
              requestPem: await requestRenewal({
                directory: data,
                name,
                ...(await keyAccessOf(terminal, data, name)),
              }),
              file: `${name}.csr.pem`,
            }
          : await requestAuthority({
              name,
              directory: data,
              ...(await keyPlaceOf(terminal, data, options)),
              ...certificateWishOf(options, {
                key: 'ec-p256',
                commonName: `${name} issuing CA`,
                pathLenConstraint: 0,
              }),
              ...statusOf(options),
              ...orderOf(options),
            });
      const target = out ?? file;
      if (target !== file || options.renewal === true) await writeFile(target, requestPem);
      terminal.report({ name, requestFile: target }, [
        `request of CA ${name}: ${target}`,
        `have it signed, then: certmill ca complete ${name} --chain FILE`,
      ]);
    });
  withOrderOption(
    withStatusOptions(
      withConstraintOptions(
        withCaProfileOptions(withSlotOption(withSubjectOption(command)), 'below'),
        'CAs that may follow below it; default 0: an issuing CA',
      ),
    ),
  );
  return withExamples(command, [
    [
      "certmill ca request factory --subject 'O=Example,CN=Factory' --out factory.csr.pem",
      'key and request; the key stays here',
    ],
    ['certmill ca request factory --slot slot.yaml', 'the key is made in an HSM and stays there'],
    ['certmill ca request factory --renewal', 'another certificate for the same key'],
  ]);
}
