import {
  DerReader,
  encodeAlgorithmIdentifier,
  encodeBitString,
  encodeInteger,
  encodeNull,
  encodeOid,
  encodeSequence,
  encodeTlv,
  oids,
  tags,
} from '@certmill/der';
import { CKK_ML_DSA, CKK_RSA } from './cryptoki.js';

/** What a token says of a key's public part; attributes that it does not give are absent. */
export interface TokenPublicKey {
  readonly keyType: number;
  readonly modulus?: Uint8Array;
  readonly publicExponent?: Uint8Array;
  /** DER of `ECParameters` (RFC 5480 2.1.1), or of a curve's name. */
  readonly ecParams?: Uint8Array;
  /** An OCTET STRING around the point; from some modules the bare point. */
  readonly ecPoint?: Uint8Array;
  /** CKP_ML_DSA_44 and so on (PKCS#11 3.2). */
  readonly parameterSet?: number;
  /** The raw key of FIPS 204. */
  readonly value?: Uint8Array;
}

export type TokenKeyKind = 'rsa' | 'ecdsa' | 'ed25519' | 'ml-dsa';

/** By CKA_PARAMETER_SET, with the octets of the public key (FIPS 204 4, table 2). */
const mlDsaSets: Readonly<Record<number, { readonly oid: string; readonly octets: number }>> = {
  1: { oid: oids.id_ml_dsa_44, octets: 1_312 },
  2: { oid: oids.id_ml_dsa_65, octets: 1_952 },
  3: { oid: oids.id_ml_dsa_87, octets: 2_592 },
};

/** Octets of an uncompressed point (SEC 1 2.3.3). */
const pointOctets: Readonly<Record<string, number>> = {
  [hexOf(encodeOid(oids.secp256r1))]: 65,
  [hexOf(encodeOid(oids.secp384r1))]: 97,
  [hexOf(encodeOid(oids.secp521r1))]: 133,
};

const ed25519Octets = 32;
/** Ed25519 as modules name it: RFC 8410 3, the curve's name (PKCS#11 3.0), and its older OID. */
const ed25519Params: ReadonlySet<string> = new Set(
  [
    encodeOid(oids.id_Ed25519),
    encodeTlv(tags.printableString, Buffer.from('edwards25519')),
    encodeOid('1.3.6.1.4.1.11591.15.1'),
  ].map(hexOf),
);

/** The key's SubjectPublicKeyInfo (RFC 5280 4.1.2.7); undefined where the token does not give it. */
export function subjectPKInfoOf(
  key: TokenPublicKey,
): { readonly kind: TokenKeyKind; readonly der: Uint8Array } | undefined {
  const { keyType, modulus, publicExponent, ecParams, ecPoint } = key;
  if (keyType === CKK_RSA) {
    if (modulus === undefined || publicExponent === undefined) return undefined;
    const rsaKey = encodeSequence(encodeInteger(modulus), encodeInteger(publicExponent));
    const algorithm = encodeAlgorithmIdentifier(oids.rsaEncryption, encodeNull());
    return { kind: 'rsa', der: encodeSequence(algorithm, encodeBitString(rsaKey)) };
  }
  if (keyType === CKK_ML_DSA) {
    const set = mlDsaSets[key.parameterSet ?? 0];
    if (set === undefined || key.value?.length !== set.octets) return undefined;
    const algorithm = encodeAlgorithmIdentifier(set.oid);
    return { kind: 'ml-dsa', der: encodeSequence(algorithm, encodeBitString(key.value)) };
  }
  if (ecParams === undefined || ecPoint === undefined) return undefined;
  const curve = hexOf(ecParams);
  const isEd25519 = ed25519Params.has(curve);
  const octets = isEd25519 ? ed25519Octets : pointOctets[curve];
  const point = octets === undefined ? undefined : pointOf(ecPoint, octets);
  if (point === undefined) return undefined;
  const algorithm = isEd25519
    ? encodeAlgorithmIdentifier(oids.id_Ed25519)
    : encodeAlgorithmIdentifier(oids.id_ecPublicKey, ecParams);
  return {
    kind: isEd25519 ? 'ed25519' : 'ecdsa',
    der: encodeSequence(algorithm, encodeBitString(point)),
  };
}

function pointOf(ecPoint: Uint8Array, octets: number): Uint8Array | undefined {
  if (ecPoint.length === octets) return ecPoint;
  const reader = new DerReader();
  const isWrapped =
    reader.reset(ecPoint, 0, ecPoint.length) &&
    reader.skip(tags.octetString, ecPoint.length) &&
    reader.contentEnd - reader.contentStart === octets;
  return isWrapped ? ecPoint.subarray(reader.contentStart, reader.contentEnd) : undefined;
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
