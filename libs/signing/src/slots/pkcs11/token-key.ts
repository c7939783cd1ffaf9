import { CertmillError } from '@certmill/domain';
import {
  CKA_CLASS,
  CKA_EC_PARAMS,
  CKA_EC_POINT,
  CKA_ID,
  CKA_KEY_TYPE,
  CKA_LABEL,
  CKA_MODULUS,
  CKA_PARAMETER_SET,
  CKA_PUBLIC_EXPONENT,
  CKA_VALUE,
  CKK_ML_DSA,
  CKK_RSA,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  CKR_ATTRIBUTE_SENSITIVE,
  CKR_ATTRIBUTE_TYPE_INVALID,
} from './cryptoki.js';
import type { Cryptoki, Handle } from './load-cryptoki.js';
import { returnValueOf } from './pkcs11-fault.js';
import { subjectPKInfoOf, type TokenKeyKind, type TokenPublicKey } from './token-public-key.js';

/** Which key of a token; at least one of the two. */
export interface KeyReference {
  readonly keyLabel?: string;
  /** CKA_ID in hex. */
  readonly keyIdHex?: string;
}

export interface TokenKey {
  readonly handle: Handle;
  readonly kind: TokenKeyKind;
  readonly subjectPKInfoDer: Uint8Array;
}

/** Exactly one private key MUST match. Faults: CONFIG_INVALID. */
export function findKey(cryptoki: Cryptoki, session: Handle, reference: KeyReference): TokenKey {
  const { keyLabel, keyIdHex } = reference;
  const name = [
    ...(keyLabel === undefined ? [] : [`label ${keyLabel}`]),
    ...(keyIdHex === undefined ? [] : [`id ${keyIdHex}`]),
  ].join(' and ');
  const found = findObjects(cryptoki, session, [
    { type: CKA_CLASS, value: CKO_PRIVATE_KEY },
    ...(keyLabel === undefined ? [] : [{ type: CKA_LABEL, value: Buffer.from(keyLabel) }]),
    ...(keyIdHex === undefined ? [] : [{ type: CKA_ID, value: Buffer.from(keyIdHex, 'hex') }]),
  ]);
  const [handle] = found;
  if (handle === undefined || found.length > 1) {
    const count = found.length === 0 ? 'no private key' : 'several private keys';
    throw new CertmillError('CONFIG_INVALID', `the token has ${count} with ${name}`);
  }
  const publicPart = publicPartOf(cryptoki, session, handle);
  if (publicPart === undefined) {
    throw new CertmillError(
      'CONFIG_INVALID',
      `the token has no public key beside the private key with ${name}, or one of a kind not used here`,
    );
  }
  return { handle, kind: publicPart.kind, subjectPKInfoDer: publicPart.der };
}

/** From the public key object of the same id and type, else from what the private key says of itself. */
function publicPartOf(
  cryptoki: Cryptoki,
  session: Handle,
  privateKey: Handle,
): ReturnType<typeof subjectPKInfoOf> {
  const read = (object: Handle, type: number): Buffer | undefined =>
    attributeOf(cryptoki, session, object, type);
  const type = read(privateKey, CKA_KEY_TYPE);
  if (type === undefined) return undefined;
  const id = read(privateKey, CKA_ID);
  const label = read(privateKey, CKA_LABEL);
  const sameName =
    id !== undefined && id.length > 0
      ? { type: CKA_ID, value: id }
      : { type: CKA_LABEL, value: label ?? Buffer.alloc(0) };
  const publicKeys = findObjects(cryptoki, session, [
    { type: CKA_CLASS, value: CKO_PUBLIC_KEY },
    { type: CKA_KEY_TYPE, value: type },
    sameName,
  ]);
  const keyType = unsignedLong(type);
  // CKA_VALUE of a private ML-DSA key is the secret: it is never asked for.
  const objects = keyType === CKK_ML_DSA ? publicKeys : [...publicKeys, privateKey];
  for (const object of objects) {
    const parts = publicPartsOf(keyType, (attribute) => read(object, attribute));
    const given = Object.entries(parts).filter(
      ([, value]) => value !== undefined && value.length > 0,
    );
    const { parameterSet, ...octets } = Object.fromEntries(given);
    const key: TokenPublicKey = {
      keyType,
      ...octets,
      ...(parameterSet === undefined ? {} : { parameterSet: unsignedLong(parameterSet) }),
    };
    const info = subjectPKInfoOf(key);
    if (info !== undefined) return info;
  }
  return undefined;
}

/** The attributes that a public key of the type is made of. */
function publicPartsOf(
  keyType: number,
  read: (type: number) => Buffer | undefined,
): Readonly<Record<string, Buffer | undefined>> {
  switch (keyType) {
    case CKK_RSA:
      return { modulus: read(CKA_MODULUS), publicExponent: read(CKA_PUBLIC_EXPONENT) };
    case CKK_ML_DSA:
      return { parameterSet: read(CKA_PARAMETER_SET), value: read(CKA_VALUE) };
    default:
      return { ecParams: read(CKA_EC_PARAMS), ecPoint: read(CKA_EC_POINT) };
  }
}

function findObjects(
  cryptoki: Cryptoki,
  session: Handle,
  template: Parameters<Cryptoki['C_FindObjectsInit']>[1],
): Handle[] {
  cryptoki.C_FindObjectsInit(session, template);
  try {
    return cryptoki.C_FindObjects(session, 2);
  } finally {
    cryptoki.C_FindObjectsFinal(session);
  }
}

function attributeOf(
  cryptoki: Cryptoki,
  session: Handle,
  object: Handle,
  type: number,
): Buffer | undefined {
  try {
    return cryptoki.C_GetAttributeValue(session, object, [{ type }])[0]?.value;
  } catch (error) {
    const value = returnValueOf(error);
    if (value === CKR_ATTRIBUTE_TYPE_INVALID || value === CKR_ATTRIBUTE_SENSITIVE) return undefined;
    throw error;
  }
}

/** A CK_ULONG, in the machine's own order; none that is read here is above 32 bits. */
function unsignedLong(value: Buffer): number {
  return new Uint32Array(value.buffer.slice(value.byteOffset, value.byteOffset + 4))[0] ?? 0;
}
