import { Command, Option } from 'commander';
import { CertmillError, revocationReasons, type RevocationReason } from '@certmill/domain';
import {
  assertSameReason,
  authorityIn,
  type CaNotCovered,
  type CaRevocationOutcome,
  certificatesInPem,
  certificatesOverKey,
  hasSigned,
  type Issuer,
  revokeAuthority,
  type RevokedCa,
} from '@certmill/trust';
import { withExamples } from '../../terminal/program.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import { readText } from '../../read-input.js';

interface RevokeOptions {
  readonly data: string;
  readonly reason: RevocationReason;
  readonly under?: string;
  readonly certificate?: string;
}

export function revokeCommand(terminal: Terminal): Command {
  const command = new Command('revoke')
    .description(
      'revoke a CA, every certificate over its key, in the name of the CA that signed it; ' +
        'or one certificate that it does not use any more',
    )
    .argument('[name]', 'name of the CA; or --certificate and --under')
    .addOption(
      new Option('--reason <reason>', 'why (RFC 5280 5.3.1)')
        .choices(revocationReasons.filter((reason) => reason !== 'certificateHold'))
        .makeOptionMandatory(),
    )
    .option(
      '--certificate <file>',
      'one of its certificates in PEM: where the CA is in no folder here, or for this one alone',
    )
    .option('--under <ca>', 'the CA that signed it; default: what the folder knows')
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (name: string | undefined, options: RevokeOptions) => {
      const { parent, certificateDer } = await toRevoke(name, options);
      const { data: directory, reason } = options;
      const outcome = await revokeAuthority({
        ...{ directory, parent, certificateDer, reason },
        mayBeAlone: options.certificate !== undefined,
        nowMs: Date.now(),
      });
      assertSameReason(outcome, reason);
      terminal.report(revocationView(outcome), [
        ...revocationLines(outcome, options),
        `publish it: certmill ca crl ${parent}`,
      ]);
    });
  return withExamples(command, [
    ['certmill ca revoke line-7 --reason cessationOfOperation', 'ends exactly what it issued'],
    [
      'certmill ca revoke --certificate factory.pem --under root --data /media/root --reason cACompromise',
      'where the root is',
    ],
  ]);
}

/** For scripts, and for the audit trail: each serial number. */
function revocationView({
  revoked,
  others,
  isAlone,
  isNew,
  notCovered,
  unread,
}: CaRevocationOutcome): object {
  const view = ({ serialNumberHex, subject, reason, revokedAtMs }: RevokedCa): object => ({
    ...{ serialNumber: serialNumberHex, subject, reason },
    revokedAt: new Date(revokedAtMs).toISOString(),
  });
  return {
    ...view(revoked),
    ...{ isAlone, isNew },
    others: others.map(view),
    notCovered: notCovered.map(({ file, signer, inForceOf, certificate }) => ({
      ...{
        file,
        signer,
        inForceOf,
        serialNumber: Buffer.from(certificate.serialNumber).toString('hex'),
      },
      notAfter: new Date(certificate.notAfterMs).toISOString(),
    })),
    unread,
  };
}

function revocationLines(
  { revoked, others, isAlone, isNew, notCovered, unread }: CaRevocationOutcome,
  { reason, data }: RevokeOptions,
): readonly string[] {
  const alone = `certificate ${serialOf(revoked)} alone, which is not in force, of `;
  const what = `${isAlone ? alone : ''}CA ${revoked.subject}`;
  const kept = [revoked, ...others].filter((entry) => entry.reason !== reason);
  return [
    isNew
      ? `revoked ${what} (${reason})`
      : `${what} is revoked since ${isoTime(revoked.revokedAtMs)} (${reason})`,
    ...(others.length === 0
      ? []
      : [
          `with all over its key that have not ended: ${[revoked, ...others].map(serialOf).join(', ')}`,
        ]),
    ...kept.map(
      (entry) =>
        `${serialOf(entry)} is revoked since ${isoTime(entry.revokedAtMs)} for ${entry.reason}: that stays`,
    ),
    ...notCovered.flatMap((one) => stillGood(one, reason, data)),
    ...unread.map((file) => `cannot be read, and may be over the key as well: ${file}`),
  ];
}

/** A certificate over the key that is not revoked with it, and what to type for it. */
function stillGood(
  { file, signer, inForceOf, certificate }: CaNotCovered,
  reason: RevocationReason,
  data: string,
): readonly string[] {
  const issuer = certificate.certificate.issuer.replaceAll('\n', ', ');
  const place = signer === undefined ? '--under CA --data DIR' : `--under ${signer} --data ${data}`;
  const what = inForceOf === undefined ? 'it' : `CA '${inForceOf}', whose it is`;
  return [
    `still good, until ${isoTime(certificate.notAfterMs)}: ${file}, which ${issuer} has signed; to revoke ${what}:`,
    `  certmill ca revoke --certificate ${file} ${place} --reason ${reason}`,
  ];
}

/** Certificates over the key that the CA above has not signed: they are revoked where who signed them is. */
async function byOthers(data: string, { chainDer, spkiDer }: Issuer): Promise<string> {
  const [, parentDer = new Uint8Array()] = chainDer;
  const files = (await certificatesOverKey(data, spkiDer)).found
    .filter(
      ({ certificate }) =>
        certificate.notAfterMs >= Date.now() &&
        !hasSigned(parentDer, certificate) &&
        !hasSigned(certificate.der, certificate),
    )
    .map(({ file }) => file);
  return files.length === 0
    ? ''
    : `; so it is with what other CAs have signed: ${files.join(', ')}`;
}

function serialOf({ serialNumberHex }: RevokedCa): string {
  return serialNumberHex;
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

async function toRevoke(
  name: string | undefined,
  { data, under, certificate }: RevokeOptions,
): Promise<{ readonly parent: string; readonly certificateDer: Uint8Array }> {
  if ((name === undefined) === (certificate === undefined)) {
    throw new CertmillError('INVALID_INPUT', 'say which CA: its name, or --certificate FILE');
  }
  if (certificate !== undefined) {
    const [certificateDer] = certificatesInPem(await readText(certificate));
    if (certificateDer === undefined || under === undefined) {
      throw new CertmillError(
        'INVALID_INPUT',
        certificateDer === undefined
          ? `${certificate} holds no PEM certificate`
          : '--certificate needs --under: the CA that signed it',
      );
    }
    return { parent: under, certificateDer };
  }
  const ca = await authorityIn(data, name ?? '');
  const parent = under ?? ca.parent;
  const [certificateDer = new Uint8Array()] = ca.chainDer;
  if (parent !== undefined) return { parent, certificateDer };
  throw new CertmillError(
    'INVALID_INPUT',
    ca.role === 'root'
      ? 'a root cannot revoke itself (RFC 5280 6.1): take it out of the trust stores'
      : `the CA above '${ca.name}' is not in this folder: revoke it where that one is, with --certificate ${ca.certificateFile}` +
          (await byOthers(data, ca)),
  );
}
