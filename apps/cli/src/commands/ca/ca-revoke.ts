import { Command, Option } from 'commander';
import { CertmillError, revocationReasons, type RevocationReason } from '@certmill/domain';
import { assertSameReason, authorityIn, certificatesInPem, revokeAuthority } from '@certmill/trust';
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
    .description('revoke a CA certificate, in the name of the CA that signed it')
    .argument('[name]', 'name of the CA; or --certificate and --under')
    .addOption(
      new Option('--reason <reason>', 'why (RFC 5280 5.3.1)')
        .choices(revocationReasons.filter((reason) => reason !== 'certificateHold'))
        .makeOptionMandatory(),
    )
    .option('--certificate <file>', 'its certificate in PEM, where the CA is in no folder here')
    .option('--under <ca>', 'the CA that signed it; default: what the folder knows')
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (name: string | undefined, options: RevokeOptions) => {
      const { parent, certificateDer } = await toRevoke(name, options);
      const outcome = await revokeAuthority({
        directory: options.data,
        parent,
        certificateDer,
        reason: options.reason,
        nowMs: Date.now(),
      });
      assertSameReason(outcome, options.reason);
      const { revoked, isNew } = outcome;
      const { serialNumberHex: serialNumber, subject, reason, revokedAtMs } = revoked;
      const revokedAt = new Date(revokedAtMs).toISOString();
      terminal.report({ serialNumber, subject, reason, revokedAt, isNew }, [
        isNew
          ? `revoked CA ${subject} (${reason})`
          : `CA ${subject} is revoked since ${revokedAt} (${reason})`,
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
      : `the CA above '${ca.name}' is not in this folder: revoke it where that one is, with --certificate ${ca.certificateFile}`,
  );
}
