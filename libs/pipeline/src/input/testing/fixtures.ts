import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Requests of real tools; see the READMEs there. */
export const interopFolder = join(import.meta.dirname, '../../../test-data/interop');

/** The octets of one of them. */
export function fixture(path: string): Buffer {
  return readFileSync(join(interopFolder, path));
}

export const csrPem = fixture('openssl/p256.pem').toString('latin1');
export const csrDer = derOf(csrPem);
export const otherDer = derOf(fixture('go/ed25519.pem').toString('latin1'));

/** The DER of the first PEM block, by another decoder than the one that is tested. */
export function derOf(pem: string): Buffer {
  const body = /-----BEGIN [A-Z ]+-----([^-]+)-----END/.exec(pem)?.[1] ?? '';
  return Buffer.from(body, 'base64');
}
