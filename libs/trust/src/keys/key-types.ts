import type { KeyObject } from 'node:crypto';
import { CertmillError, leastRsaBits, newCaKeyTypes } from '@certmill/domain';
import type { IssuerSignatureAlgorithm, MlDsaAlgorithm, PublicKeyWalk } from '@certmill/der';

/** Key types that an issuer may have. */
export type IssuerKeyType =
  'ec-p256' | 'ec-p384' | 'ec-p521' | 'ed25519' | MlDsaAlgorithm | `rsa-${number}`;

const curves: Readonly<Record<string, 'ec-p256' | 'ec-p384' | 'ec-p521'>> = {
  prime256v1: 'ec-p256',
  secp384r1: 'ec-p384',
  secp521r1: 'ec-p521',
};

/** node:crypto signs with more at a handful per second only. */
const maxRsaBits = 8_192;

/** The key type of a public or private key; INVALID_INPUT where no issuer may have it. */
export function issuerKeyTypeOf(key: KeyObject): IssuerKeyType {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'ed25519') return type;
  if (type === 'ml-dsa-44' || type === 'ml-dsa-65' || type === 'ml-dsa-87') return type;
  if (type === 'ec') {
    const curve = curves[details?.namedCurve ?? ''];
    if (curve !== undefined) return curve;
    throw unsupported(`the curve ${details?.namedCurve ?? 'with explicit parameters'}`);
  }
  if (type === 'rsa') {
    const bits = details?.modulusLength ?? 0;
    if (isRsaSize(bits)) return `rsa-${bits}`;
    throw unsupported(`RSA with ${String(bits)} bits`);
  }
  throw unsupported(`the key type ${type ?? 'of a symmetric key'}`);
}

/** The same from the walk of a certificate or request; undefined where no issuer may have it. */
export function keyTypeOf({ keyAlgorithm, modulusBits }: PublicKeyWalk): IssuerKeyType | undefined {
  if (keyAlgorithm === 'rsa') return isRsaSize(modulusBits) ? `rsa-${modulusBits}` : undefined;
  return newCaKeyTypes.find((keyType) => keyType === keyAlgorithm);
}

function isRsaSize(bits: number): boolean {
  return bits >= leastRsaBits && bits <= maxRsaBits;
}

function unsupported(what: string): CertmillError {
  return new CertmillError(
    'INVALID_INPUT',
    `${what} is not supported for an issuer; use P-256, P-384, P-521, Ed25519, ML-DSA-44, ` +
      `ML-DSA-65, ML-DSA-87 or RSA of ${String(leastRsaBits)} to ${String(maxRsaBits)} bits`,
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
    case 'ml-dsa-44':
    case 'ml-dsa-65':
    case 'ml-dsa-87':
      return keyType;
    default:
      return 'rsa-sha256';
  }
}
