import { constants, createPublicKey, verify } from 'node:crypto';
import type { CertificationRequestWalk, SignatureAlgorithm } from '@certmill/der';

/** `key-invalid`: OpenSSL cannot use the key at all, e.g. an EC point that is not on its curve. */
export type Possession = 'proven' | 'not-proven' | 'key-invalid';

interface Scheme {
  /** null: the algorithm hashes by itself. */
  readonly hash: string | null;
  readonly pss?: true;
}

/** The algorithms whose signatures are verified at all; policy refuses the rest beforehand. */
const schemes: Partial<Record<SignatureAlgorithm, Scheme>> = {
  'ecdsa-sha256': { hash: 'sha256' },
  'ecdsa-sha384': { hash: 'sha384' },
  'ecdsa-sha512': { hash: 'sha512' },
  ed25519: { hash: null },
  'ml-dsa-44': { hash: null },
  'ml-dsa-65': { hash: null },
  'ml-dsa-87': { hash: null },
  'rsa-sha256': { hash: 'sha256' },
  'rsa-sha384': { hash: 'sha384' },
  'rsa-sha512': { hash: 'sha512' },
  'rsa-pss-sha256': { hash: 'sha256', pss: true },
  'rsa-pss-sha384': { hash: 'sha384', pss: true },
  'rsa-pss-sha512': { hash: 'sha512', pss: true },
};

/**
 * Proof of possession (RFC 2986 3, step 3): verifies the request's signature with the key inside it,
 * over the certificationRequestInfo as it was received, never over a re-encoding.
 *
 * The key goes to OpenSSL as a PEM string: that is the fastest way in (validate.bench.ts;
 * a DER Buffer makes Node try other decoders first and throw and catch inside).
 * Never throws: a malformed signature is `not-proven`.
 */
export function verifyPossession(bytes: Uint8Array, walk: CertificationRequestWalk): Possession {
  const scheme = schemes[walk.signatureAlgorithm];
  if (scheme === undefined) return 'not-proven';
  const signed = bytes.subarray(
    walk.certificationRequestInfoStart,
    walk.certificationRequestInfoEnd,
  );
  const signature = bytes.subarray(walk.signatureStart, walk.signatureEnd);
  const pem = publicKeyPem(bytes, walk.subjectPKInfoStart, walk.subjectPKInfoEnd);
  const key =
    scheme.pss === undefined
      ? pem
      : {
          key: pem,
          padding: constants.RSA_PKCS1_PSS_PADDING,
          saltLength: walk.pssSaltLength,
        };
  try {
    return verify(scheme.hash, signed, key, signature) ? 'proven' : 'not-proven';
  } catch {
    // Either the key cannot be imported or the signature cannot be used with it; only the first
    // tells something about the key.
    return isImportable(pem) ? 'not-proven' : 'key-invalid';
  }
}

/** One line of base64: OpenSSL needs no line breaks, and making them costs time. */
function publicKeyPem(bytes: Uint8Array, start: number, end: number): string {
  const base64 = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString(
    'base64',
  );
  return `-----BEGIN PUBLIC KEY-----\n${base64}\n-----END PUBLIC KEY-----\n`;
}

function isImportable(pem: string): boolean {
  try {
    createPublicKey(pem);
    return true;
  } catch {
    return false;
  }
}
