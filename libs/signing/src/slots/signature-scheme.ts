import { createPublicKey, type KeyObject } from 'node:crypto';
import type { IssuerSignatureAlgorithm } from '@certmill/der';
import { CertmillError, leastRsaBits } from '@certmill/domain';

export type SigningHash = 'sha256' | 'sha384' | 'sha512';

/** How an issuer's key signs. */
export interface SignatureScheme {
  readonly algorithm: IssuerSignatureAlgorithm;
  /** For node:crypto; `null` for Ed25519 and ML-DSA, which have their own. */
  readonly hash: SigningHash | null;
  /** Largest signatureValue in octets; ECDSA ones vary. */
  readonly maxSignatureBytes: number;
}

/** An ECDSA hash as strong as the curve (RFC 5480 4), and DER of two INTEGERs of the order's size. */
const ecSchemes: Readonly<Record<string, SignatureScheme>> = {
  prime256v1: { algorithm: 'ecdsa-sha256', hash: 'sha256', maxSignatureBytes: 72 },
  secp384r1: { algorithm: 'ecdsa-sha384', hash: 'sha384', maxSignatureBytes: 104 },
  secp521r1: { algorithm: 'ecdsa-sha512', hash: 'sha512', maxSignatureBytes: 139 },
};

/** FIPS 204 4, table 2. */
const mlDsaSchemes: Readonly<Record<string, SignatureScheme>> = {
  'ml-dsa-44': { algorithm: 'ml-dsa-44', hash: null, maxSignatureBytes: 2_420 },
  'ml-dsa-65': { algorithm: 'ml-dsa-65', hash: null, maxSignatureBytes: 3_309 },
  'ml-dsa-87': { algorithm: 'ml-dsa-87', hash: null, maxSignatureBytes: 4_627 },
};

/**
 * @param rsaHash for RSA keys, whose size does not imply a hash.
 * Faults: CONFIG_INVALID for a key that Certmill does not sign with.
 */
export function signatureSchemeOf(
  subjectPKInfoDer: Uint8Array,
  rsaHash: SigningHash,
): SignatureScheme {
  const key = publicKeyOf(subjectPKInfoDer);
  const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  const type = key.asymmetricKeyType;
  const scheme = type === 'ec' ? ecSchemes[namedCurve] : mlDsaSchemes[type ?? ''];
  if (scheme !== undefined) return scheme;
  if (type === 'ed25519') return { algorithm: 'ed25519', hash: null, maxSignatureBytes: 64 };
  if (type === 'rsa' && modulusLength >= leastRsaBits) {
    return {
      algorithm: `rsa-${rsaHash}`,
      hash: rsaHash,
      maxSignatureBytes: Math.ceil(modulusLength / 8),
    };
  }
  throw new CertmillError(
    'CONFIG_INVALID',
    'an issuer key must be P-256, P-384, P-521, Ed25519, ML-DSA-44, ML-DSA-65, ML-DSA-87 or RSA ' +
      `of at least ${String(leastRsaBits)} bits`,
  );
}

export function publicKeyOf(subjectPKInfoDer: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.from(subjectPKInfoDer), format: 'der', type: 'spki' });
}
