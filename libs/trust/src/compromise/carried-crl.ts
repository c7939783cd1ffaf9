import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { isErrorCode, publicFileMode, writeFileAtomically } from '../atomic-file.js';
import { caCrlFileName } from '../hierarchy/ca-crl-time.js';
import type { Issuer } from '../hierarchy/load-issuers.js';
import { crlFindings, crlLapseOf, readCrl, type ReadCrl } from '../path/crl-status.js';
import { readPathCertificate } from '../path/path-certificate.js';

/** A CRL that was carried from a CA whose key is elsewhere. */
export interface CarriedCrl {
  readonly file: string;
  readonly crl: ReadCrl;
}

/** Reads a CRL, PEM or DER. INVALID_INPUT. */
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
  if (crl !== undefined) return { file, crl };
  throw new CertmillError('INVALID_INPUT', `${file} holds no CRL, PEM or DER`);
}

/**
 * Whether the CRL is of the CA that signed a certificate, good now, and lists it as revoked.
 * @param signerDer certificate of that CA.
 */
export function listsAsRevoked(
  { crl }: CarriedCrl,
  certificateDer: Uint8Array,
  signerDer: Uint8Array,
  nowMs: number,
): boolean {
  const certificate = readPathCertificate(certificateDer);
  const signer = readPathCertificate(signerDer);
  if (certificate === undefined || signer === undefined) return false;
  const atSeconds = Math.floor(nowMs / 1_000);
  if (crlLapseOf(crl, atSeconds) !== undefined) return false;
  const [finding] = crlFindings(certificate, signer, [crl], atSeconds);
  return finding?.state === 'revoked';
}

/** Lays a CRL where it is served, in the folder of its CA; an older one stays out. */
export async function publishCaCrl(ca: Issuer, der: Uint8Array): Promise<void> {
  const file = join(ca.directory, caCrlFileName);
  const before = await readIfThere(file);
  const [old, next] = [before && readCrl(before)?.crlNumber, readCrl(der)?.crlNumber];
  if (old !== undefined && next !== undefined && old >= next) return;
  await writeFileAtomically(file, der, publicFileMode);
}

async function readIfThere(file: string): Promise<Uint8Array | undefined> {
  try {
    return Uint8Array.from(await readFile(file));
  } catch (error) {
    if (isErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
