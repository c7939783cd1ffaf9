import {
  constants,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';

import type { MlDsaAlgorithm, SignatureAlgorithm } from '../keys/algorithms.js';
import {
  concatBytes,
  encodeAlgorithmIdentifier,
  encodeBitString,
  encodeInteger,
  encodeNull,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTlv,
} from '../encoding/der-encode.js';
import { oids } from '../encoding/oids.js';
import { contextConstructed, tags } from '../encoding/tags.js';
import type { CertificationRequestWalk } from '../requests/walk-certification-request.js';

/** A key pair with what its requests are signed with. */
export interface TestKey {
  readonly privateKey: KeyObject;
  readonly spki: Uint8Array;
  readonly signatureAlgorithm: SignatureAlgorithm;
  readonly signatureAlgorithmDer: Uint8Array;
  readonly hash: string | null;
}

function testKey(
  privateKey: KeyObject,
  signatureAlgorithm: SignatureAlgorithm,
  oid: string,
  hash: string | null,
  parameters?: Uint8Array,
): TestKey {
  return {
    privateKey,
    spki: createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    signatureAlgorithm,
    signatureAlgorithmDer: encodeAlgorithmIdentifier(oid, parameters),
    hash,
  };
}

export function anEcKey(namedCurve: 'P-256' | 'P-384' | 'P-521' | 'secp256k1' = 'P-256'): TestKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve });
  switch (namedCurve) {
    case 'P-384':
      return testKey(privateKey, 'ecdsa-sha384', oids.ecdsa_with_SHA384, 'sha384');
    case 'P-521':
      return testKey(privateKey, 'ecdsa-sha512', oids.ecdsa_with_SHA512, 'sha512');
    case 'P-256':
    case 'secp256k1':
      return testKey(privateKey, 'ecdsa-sha256', oids.ecdsa_with_SHA256, 'sha256');
  }
}

export function anEd25519Key(): TestKey {
  return testKey(generateKeyPairSync('ed25519').privateKey, 'ed25519', oids.id_Ed25519, null);
}

const mlDsaOids: Readonly<Record<MlDsaAlgorithm, string>> = {
  'ml-dsa-44': oids.id_ml_dsa_44,
  'ml-dsa-65': oids.id_ml_dsa_65,
  'ml-dsa-87': oids.id_ml_dsa_87,
};

export function anMlDsaKey(parameterSet: MlDsaAlgorithm = 'ml-dsa-44'): TestKey {
  const { privateKey } = generateKeyPairSync(parameterSet);
  return testKey(privateKey, parameterSet, mlDsaOids[parameterSet], null);
}

export function anRsaKey(modulusLength = 2_048): TestKey {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength });
  const oid = oids.sha256WithRSAEncryption;
  return testKey(privateKey, 'rsa-sha256', oid, 'sha256', encodeNull());
}

export function aNameAttribute(oid: string, tag: number, text: string): Uint8Array {
  return encodeSequence(encodeOid(oid), encodeTlv(tag, Buffer.from(text, 'utf8')));
}

/** A Name of single-valued UTF8String attributes. */
export function aName(...attributes: readonly (readonly [string, string])[]): Uint8Array {
  return encodeSequence(
    ...attributes.map(([oid, text]) => encodeSetOf(aNameAttribute(oid, tags.utf8String, text))),
  );
}

export function anAttribute(oid: string, ...values: readonly Uint8Array[]): Uint8Array {
  return encodeSequence(encodeOid(oid), encodeTlv(tags.set, ...values));
}

export function anExtension(oid: string, value: Uint8Array, critical?: boolean): Uint8Array {
  const flag =
    critical === undefined ? [] : [Uint8Array.of(tags.boolean, 1, critical ? 0xff : 0x00)];
  return encodeSequence(encodeOid(oid), ...flag, encodeTlv(tags.octetString, value));
}

export function anExtensionRequest(...extensions: readonly Uint8Array[]): Uint8Array {
  return anAttribute(oids.id_extensionRequest, encodeSequence(...extensions));
}

export interface CertificationRequestParts {
  readonly key: TestKey;
  readonly version: Uint8Array;
  readonly subject: Uint8Array;
  readonly spki: Uint8Array;
  /** Undefined leaves `[0]` out, as old encoders do. */
  readonly attributes: readonly Uint8Array[] | undefined;
  readonly signatureAlgorithmDer: Uint8Array;
  readonly signature: Uint8Array;
}

let defaultKey: TestKey | undefined;

/** A signed PKCS#10 request; parts that are given replace the defaults, before it is signed. */
export function aCertificationRequest(parts: Partial<CertificationRequestParts> = {}): Uint8Array {
  const key = parts.key ?? (defaultKey ??= anEcKey());
  const attributes = 'attributes' in parts ? parts.attributes : [];
  const info = encodeSequence(
    parts.version ?? encodeInteger(0),
    parts.subject ?? aName([oids.id_at_commonName, 'device-1']),
    parts.spki ?? key.spki,
    attributes === undefined
      ? new Uint8Array(0)
      : encodeTlv(contextConstructed(0), concatBytes(attributes)),
  );
  return encodeSequence(
    info,
    parts.signatureAlgorithmDer ?? key.signatureAlgorithmDer,
    encodeBitString(parts.signature ?? sign(key.hash, info, key.privateKey)),
  );
}

/** Proof of possession as validation checks it: with the algorithm that the request states. */
export function isSignedByItsKey(bytes: Uint8Array, walk: CertificationRequestWalk): boolean {
  const algorithm = walk.signatureAlgorithm;
  if (algorithm === 'unsupported') return false;
  const hashesByItself = algorithm === 'ed25519' || algorithm.startsWith('ml-dsa');
  const hash = hashesByItself ? null : algorithm.slice(algorithm.lastIndexOf('-') + 1);
  try {
    const key = createPublicKey({
      key: Buffer.from(bytes.subarray(walk.subjectPKInfoStart, walk.subjectPKInfoEnd)),
      format: 'der',
      type: 'spki',
    });
    const family = algorithm.startsWith('ecdsa') ? 'ec' : algorithm.slice(0, 3);
    if (key.asymmetricKeyType !== (hashesByItself ? algorithm : family)) return false;
    const isPss = algorithm.startsWith('rsa-pss');
    return verify(
      hash,
      bytes.subarray(walk.certificationRequestInfoStart, walk.certificationRequestInfoEnd),
      isPss
        ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: walk.pssSaltLength }
        : key,
      bytes.subarray(walk.signatureStart, walk.signatureEnd),
    );
  } catch {
    return false;
  }
}
