import { join } from 'node:path';
import { CertmillError, type RevocationReason } from '@certmill/domain';
import { readCaCertificate } from './ca-certificate.js';
import { caCrlTime } from './ca-crl-time.js';
import { withCaLock } from './folder-lock.js';
import { type Issuer } from './load-issuers.js';
import { authorityIn } from './open-authority.js';
import { type RevokedCa, revokedCasFileName, writeRevokedCas } from './revoked-cas.js';

/** CAs that a parent has revoked: a CRL of more is that of something else. */
const maxRevokedCas = 100_000;

export interface CaRevocationOptions {
  /** The data folder of the parent. */
  readonly directory: string;
  readonly parent: string;
  readonly certificateDer: Uint8Array;
  readonly reason: RevocationReason;
  readonly nowMs: number;
}

export interface CaRevocationOutcome {
  readonly revoked: RevokedCa;
  /** False where it was so already: the first time and reason stay. */
  readonly isNew: boolean;
}

/**
 * Records that a CA has revoked a CA certificate which it signed; durable before it resolves. The CRL
 * that says so is made by `issueCaCrl`. The key of the parent is not needed. Repeating it is success.
 * INVALID_INPUT where the parent did not sign it, or for certificateHold: nothing releases a CA. Throws as
 * `caCrlTime`.
 */
export async function revokeAuthority(options: CaRevocationOptions): Promise<CaRevocationOutcome> {
  const { directory } = options;
  return withCaLock(directory, async () => {
    const parent = await authorityIn(directory, options.parent);
    const entry = await caRevocationOf(options, parent);
    const known = parent.revokedCas.find(
      ({ serialNumberHex }) => serialNumberHex === entry.serialNumberHex,
    );
    if (known !== undefined) return { revoked: known, isNew: false };
    if (parent.revokedCas.length >= maxRevokedCas) {
      throw new CertmillError('LIMIT_EXCEEDED', `CA '${parent.name}' has revoked too many CAs`);
    }
    const file = join(parent.directory, revokedCasFileName);
    await writeRevokedCas(file, [...parent.revokedCas, entry]);
    return { revoked: entry, isNew: true };
  });
}

/** CONFLICT where a CA was revoked for another reason, which stays, as that of a certificate does. */
export function assertSameReason(
  { revoked }: Pick<CaRevocationOutcome, 'revoked'>,
  reason: RevocationReason,
): void {
  if (revoked.reason === reason) return;
  const at = new Date(revoked.revokedAtMs).toISOString();
  throw new CertmillError(
    'CONFLICT',
    `CA ${revoked.subject} was revoked for ${revoked.reason} at ${at}: that stays as it is`,
  );
}

/** What is recorded; nothing is written. Throws as `revokeAuthority`. */
export async function caRevocationOf(
  options: Pick<CaRevocationOptions, 'certificateDer' | 'reason' | 'nowMs'>,
  parent: Issuer,
): Promise<RevokedCa> {
  if (options.reason === 'certificateHold') {
    throw new CertmillError('INVALID_INPUT', 'a CA is revoked for good: certificateHold is not');
  }
  const certificate = readCaCertificate(options.certificateDer, 'the certificate to revoke');
  const [parentDer = new Uint8Array()] = parent.chainDer;
  const issuer = readCaCertificate(parentDer, `the certificate of CA '${parent.name}'`);
  const isSelfIssued = Buffer.compare(certificate.spkiDer, issuer.spkiDer) === 0;
  if (isSelfIssued && Buffer.compare(certificate.issuerDer, certificate.subjectDer) === 0) {
    throw new CertmillError(
      'INVALID_INPUT',
      'a root cannot revoke itself (RFC 5280 6.1): take it out of the trust stores',
    );
  }
  const isSigned =
    Buffer.compare(certificate.issuerDer, issuer.subjectDer) === 0 &&
    certificate.certificate.verify(issuer.certificate.publicKey);
  if (!isSigned) {
    throw new CertmillError(
      'INVALID_INPUT',
      `CA '${parent.name}' did not sign this certificate: its own issuer revokes it`,
    );
  }
  const atMs = await caCrlTime(parent, options.nowMs);
  return {
    serialNumberHex: Buffer.from(certificate.serialNumber).toString('hex'),
    subject: certificate.subject,
    reason: options.reason,
    revokedAtMs: Math.floor(atMs / 1_000) * 1_000,
    notAfterMs: certificate.notAfterMs,
  };
}
