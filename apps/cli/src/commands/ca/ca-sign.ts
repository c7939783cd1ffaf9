import { Command } from 'commander';
import { pemEncode } from '@certmill/der';
import { signAuthorityRequest } from '@certmill/trust';
import { withExamples } from '../../terminal/program.js';
import { readText } from '../../read-input.js';
import { ResultFile } from '../../result-file.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import {
  type ConstraintOptions,
  constraintsOf,
  lifetimeOf,
  type LifetimeOptions,
  placeOf,
  withConstraintOptions,
  withLifetimeOption,
} from './ca-options.js';
import {
  type CaProfileOptions,
  matterIdsOf,
  profileOf,
  withCaProfileOptions,
} from './ca-profile-options.js';

interface SignOptions extends LifetimeOptions, ConstraintOptions, CaProfileOptions {
  readonly data: string;
  readonly under: string;
  readonly out: string;
}

export function signCommand(terminal: Terminal): Command {
  const command = new Command('sign')
    .description('sign the request of a CA with the key of one that is here')
    .argument('<request>', 'PKCS#10 in PEM')
    .requiredOption('--under <ca>', 'the CA that signs it')
    .requiredOption('-o, --out <file>', 'where the chain is written: what is carried back')
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (request: string, options: SignOptions) => {
      await using out = await ResultFile.open(options.out);
      const { chainDer, certificate } = await signAuthorityRequest({
        requestPem: await readText(request),
        parent: await placeOf(terminal, options.under, options.data, {}),
        ...constraintsOf(options),
        ...lifetimeOf(options),
        ...profileOf(options),
        attributes: matterIdsOf(options),
        nowMs: Date.now(),
      });
      await out.write(chainDer.map((der) => pemEncode('CERTIFICATE', der)).join(''));
      terminal.report(
        {
          subject: certificate.subject,
          serialNumber: Buffer.from(certificate.serialNumber).toString('hex'),
          notAfter: new Date(certificate.notAfterMs).toISOString(),
          pathLength: certificate.pathLenConstraint ?? null,
          chainFile: options.out,
        },
        [`signed CA ${certificate.subject}: ${options.out}`],
      );
    });
  withConstraintOptions(
    withLifetimeOption(withCaProfileOptions(command, 'below')),
    'CAs that may follow below it, whatever is asked for; default: 0',
  );
  return withExamples(command, [
    [
      'certmill ca sign factory.csr.pem --under root --data /media/root --lifetime 10y -o chain.pem',
      'on the machine of an offline root',
    ],
    [
      'certmill ca sign pai.csr.pem --under root --profile matter-pai --vendor-id FFF1 -o chain.pem',
      'a Matter PAI, where it asks for that vendor',
    ],
  ]);
}
