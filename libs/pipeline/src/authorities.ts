import { hasExpired } from '@certmill/domain';
import { X509Certificate } from 'node:crypto';

/** What is known of the CAs above certificates. */
export interface Authorities {
  /** Certificates from the issuing CA up to the root, DER; undefined for an issuer that is gone. */
  readonly chainOf: (issuer: string) => readonly Uint8Array[] | undefined;
  /** The certificate in the chain of the issuer that is revoked; undefined where none is. */
  readonly revocationOf: (issuer: string) => RevokedAuthority | undefined;
}

export interface RevokedAuthority {
  /** Lower-case hex, as in the certificate. */
  readonly serialNumberHex: string;
  readonly reason: string;
}

/**
 * Names the CA certificate, of the issuer or above it, that is revoked or has ended, and with it all that was
 * issued below; undefined where none is. Issuers that fell with one and the same have the same name here.
 */
export function fallenCaOf(
  { chainOf, revocationOf }: Authorities,
  issuer: string,
  nowMs: number,
): string | undefined {
  const revoked = revocationOf(issuer);
  if (revoked !== undefined) return revoked.serialNumberHex;
  return chainOf(issuer)
    ?.map((der) => new X509Certificate(der))
    .findLast(({ validToDate }) => hasExpired(validToDate.getTime(), nowMs))?.fingerprint256;
}
