import { Command } from 'commander';
import { CertmillError } from '@certmill/domain';
import {
  authorityIn,
  caCommonName,
  type CaRequest,
  type IssuerKeyType,
  requestAuthority,
  requestRekey,
  requestRenewal,
} from '@certmill/trust';
import { ResultFile, writeResult } from '../../result-file.js';
import { withExamples } from '../../terminal/program.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import {
  type ConstraintOptions,
  keyAccessOf,
  keyOption,
  keyPlaceOf,
  newKeyPlaceOf,
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
  readonly rekeys?: string;
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
      '--rekeys <ca>',
      'a new key for this CA, under another name: all else is as in its certificate',
    )
    .option(
      '-o, --out <file>',
      'where the request is written; default: it stays in the data folder',
    )
    .option('--json', 'print one JSON object')
    .action(async (name: string, options: RequestOptions) => {
      const { out } = options;
      await using copy = out === undefined ? undefined : await ResultFile.open(out);
      const { requestPem, file } = await requestOf(terminal, name, options);
      const target = out ?? file;
      if (copy !== undefined) await copy.write(requestPem);
      else if (options.renewal === true) await writeResult(target, requestPem);
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
    ['certmill ca request factory-2 --rekeys factory', 'a new key for a CA of an offline root'],
    ['certmill ca request factory --renewal', 'another certificate for the same key'],
  ]);
}

async function requestOf(
  terminal: Terminal,
  name: string,
  options: RequestOptions,
): Promise<CaRequest> {
  const { data, renewal, rekeys, key } = options;
  if (renewal === true) {
    if (rekeys !== undefined) {
      throw new CertmillError('INVALID_INPUT', 'a renewal keeps its key: not --rekeys');
    }
    const access = await keyAccessOf(terminal, data, name);
    const requestPem = await requestRenewal({ directory: data, name, ...access });
    return { requestPem, file: `${name}.csr.pem` };
  }
  if (rekeys !== undefined) {
    const before = await authorityIn(data, rekeys);
    const place = await newKeyPlaceOf(terminal, data, options, before);
    const wanted = { name, directory: data, ...place };
    return requestRekey({ ...wanted, rekeys, ...(key === undefined ? {} : { keyType: key }) });
  }
  return requestAuthority({
    name,
    directory: data,
    ...(await keyPlaceOf(terminal, data, options)),
    ...certificateWishOf(options, {
      key: 'ec-p256',
      commonName: caCommonName(name, 'issuing CA'),
      pathLenConstraint: 0,
    }),
    ...statusOf(options),
    ...orderOf(options),
  });
}
