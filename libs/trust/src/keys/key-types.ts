import type { KeyObject } from 'node:crypto';
import { CertmillError } from '@certmill/domain';
import type { IssuerSignatureAlgorithm } from '@certmill/der';

/** Key types that an issuer may have. */
export type IssuerKeyType = 'ec-p256' | 'ec-p384' | 'ec-p521' | 'ed25519' | `rsa-${number}`;

const curves: Readonly<Record<string, 'ec-p256' | 'ec-p384' | 'ec-p521'>> = {
  prime256v1: 'ec-p256',
  secp384r1: 'ec-p384',
  secp521r1: 'ec-p521',
};

/** NIST SP 800-131A; node:crypto signs with more than 8192 bits at a handful per second only. */
const minRsaBits = 2_048;
const maxRsaBits = 8_192;

/** The key type of a public or private key; INVALID_INPUT where no issuer may have it. */
export function issuerKeyTypeOf(key: KeyObject): IssuerKeyType {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'ed25519') return 'ed25519';
  if (type === 'ec') {
    const curve = curves[details?.namedCurve ?? ''];
    if (curve !== undefined) return curve;
    throw unsupported(`the curve ${details?.namedCurve ?? 'with explicit parameters'}`);
  }
  if (type === 'rsa') {
    const bits = details?.modulusLength ?? 0;
    if (bits >= minRsaBits && bits <= maxRsaBits) return `rsa-${bits}`;
    throw unsupported(`RSA with ${String(bits)} bits`);
  }
  throw unsupported(`the key type ${type ?? 'of a symmetric key'}`);
}

function unsupported(what: string): CertmillError {
  return new CertmillError(
    'INVALID_INPUT',
    `${what} is not supported for an issuer; use P-256, P-384, P-521, Ed25519 or ` +
      `RSA of ${String(minRsaBits)} to ${String(maxRsaBits)} bits`,
  );
}

/** The hash is as strong as the curve (RFC 5758 3.2); RSA and SHA-256 as 802.1AR 9 has it. */
export function signatureAlgorithmFor(keyType: IssuerKeyType): IssuerSignatureAlgorithm {
  switch (keyType) {
    case 'ec-p256':
      return 'ecdsa-sha256';
    case 'ec-p384':
      return 'ecdsa-sha384';
    case 'ec-p521':
      return 'ecdsa-sha512';
    case 'ed25519':
      return 'ed25519';
    default:
      return 'rsa-sha256';
  }
}

type WebCryptoKeyAlgorithm =
  | { readonly name: 'ECDSA'; readonly namedCurve: string; readonly hash: string }
  | { readonly name: 'Ed25519' }
  | {
      readonly name: 'RSASSA-PKCS1-v1_5';
      readonly modulusLength: number;
      readonly publicExponent: Uint8Array<ArrayBuffer>;
      readonly hash: string;
    };

/** Parameters of WebCrypto to generate a key of the type and to sign with it. */
export function webCryptoAlgorithmOf(keyType: IssuerKeyType): WebCryptoKeyAlgorithm {
  switch (keyType) {
    case 'ec-p256':
      return { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
    case 'ec-p384':
      return { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' };
    case 'ec-p521':
      return { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' };
    case 'ed25519':
      return { name: 'Ed25519' };
    default:
      return {
        name: 'RSASSA-PKCS1-v1_5',
        modulusLength: Number(keyType.slice('rsa-'.length)),
        publicExponent: Uint8Array.of(1, 0, 1),
        hash: 'SHA-256',
      };
  }
}
