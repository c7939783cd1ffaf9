import { readFile } from 'node:fs/promises';
import { CertmillError, type CrlReason } from '@certmill/domain';
import { crlFindings, crlLapseOf, readCrl, type ReadCrl } from '../path/crl-status.js';
import { readPathCertificate } from '../path/path-certificate.js';
import { isForGood } from '../path/status.js';

/** A CRL that was carried from a CA whose key is elsewhere. */
export interface CarriedCrl {
  readonly file: string;
  readonly crl: ReadCrl;
}

/** Reads a CRL, PEM or DER. INVALID_INPUT, too, where it has no crlNumber: `importCaCrl` takes in none. */
export async function readCarriedCrl(file: string): Promise<CarriedCrl> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    throw new CertmillError('INVALID_INPUT', `cannot read ${file}`, { cause });
  }
  const [, base64] = /-----BEGIN X509 CRL-----([^-]*)-----END/.exec(bytes.toString('latin1')) ?? [];
  const der = base64 === undefined ? bytes : Buffer.from(base64, 'base64');
  const crl = readCrl(Uint8Array.from(der));
  if (crl === undefined) {
    throw new CertmillError('INVALID_INPUT', `${file} holds no CRL, PEM or DER`);
  }
  if (crl.crlNumber === undefined) {
    throw new CertmillError(
      'INVALID_INPUT',
      `the CRL in ${file} has no crlNumber (RFC 5280 5.2.3): have it made with one`,
    );
  }
  return { file, crl };
}

/**
 * Why a CRL revokes a certificate for good: it is of the CA that signed it, and in force. Undefined where it does not.
 * @param signerDer certificate of that CA.
 */
export function reasonInCrl(
  crl: ReadCrl,
  certificateDer: Uint8Array,
  signerDer: Uint8Array,
  nowMs: number,
): CrlReason | undefined {
  const certificate = readPathCertificate(certificateDer);
  const signer = readPathCertificate(signerDer);
  if (certificate === undefined || signer === undefined) return undefined;
  const atSeconds = Math.floor(nowMs / 1_000);
  if (crlLapseOf(crl, atSeconds) !== undefined) return undefined;
  const [finding] = crlFindings(certificate, signer, [crl], atSeconds);
  if (finding?.state !== 'revoked' || !isForGood(finding)) return undefined;
  return finding.reason ?? 'unspecified';
}
