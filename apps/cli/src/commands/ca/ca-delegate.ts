import { Command, Option } from 'commander';
import { CertmillError } from '@certmill/domain';
import { pemEncode } from '@certmill/der';
import {
  authorityProfileNames,
  authorityProfiles,
  type AuthorityProfileName,
} from '@certmill/domain/profile-files';
import { authorityIn, issueDelegate, keepDelegate, openAuthority } from '@certmill/trust';
import { withExamples } from '../../terminal/program.js';
import { readBytes } from '../../read-input.js';
import { ResultFile } from '../../result-file.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import { keyAccessOf } from './ca-options.js';

interface DelegateCommandOptions {
  readonly issuer: string;
  readonly profile: AuthorityProfileName;
  readonly out: string;
  readonly data: string;
}

/** How DER of a request begins; no PEM does. */
const sequenceTag = 0x30;

/** Local, with the key of the issuer: no order and no server certifies a delegate. */
export function delegateCommand(terminal: Terminal): Command {
  const command = new Command('delegate')
    .description('certify who answers OCSP or signs indirect CRLs in the place of an issuer')
    .argument('<request>', 'PKCS#10 of the delegate, PEM or DER')
    .requiredOption('--issuer <name>', 'the CA whose key is in the data folder')
    .addOption(
      new Option('--profile <name>', 'what it is certified for')
        .choices(authorityProfileNames)
        .makeOptionMandatory(),
    )
    .requiredOption('-o, --out <file>', 'where its certificate is written')
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (request: string, options: DelegateCommandOptions) => {
      const { data, out, profile: name } = options;
      const profile = authorityProfiles().get(name);
      if (profile === undefined) throw new CertmillError('NOT_FOUND', `no profile ${name}`);
      const { name: issuer } = await authorityIn(data, options.issuer);
      const requestDer = await readRequest(request);
      const nowMs = Date.now();
      const access = await keyAccessOf(terminal, data, issuer);
      const authority = await openAuthority({ directory: data, name: issuer, ...access }, nowMs);
      await using result = await ResultFile.open(out);
      const certificate = await issueDelegate({ profile, authority, requestDer, nowMs });
      await keepDelegate(data, issuer, certificate);
      await result.write(pemEncode('CERTIFICATE', certificate));
      terminal.report({ issuer, profile: name, certificateFile: out }, [
        `certified a ${name} of ${issuer}: ${out}`,
      ]);
    });
  return withExamples(command, [
    [
      'certmill ca delegate va.csr.pem --issuer line-7 --profile ocsp-responder -o va.pem',
      'a responder that somebody else runs',
    ],
  ]);
}

async function readRequest(file: string): Promise<Uint8Array> {
  const bytes = await readBytes(file);
  if (bytes[0] === sequenceTag) return Uint8Array.from(bytes);
  const block = /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([^-]*)-----END/.exec(
    bytes.toString('latin1'),
  );
  if (block === null) {
    throw new CertmillError('INVALID_INPUT', `${file} holds no CERTIFICATE REQUEST, PEM or DER`);
  }
  return Uint8Array.from(Buffer.from(block[1] ?? '', 'base64'));
}
