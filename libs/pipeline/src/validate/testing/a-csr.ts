import { constants, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import {
  concatBytes,
  contextConstructed,
  encodeAlgorithmIdentifier,
  encodeBitString,
  encodeCertificationRequest,
  encodeCommonName,
  encodeInteger,
  encodeNull,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTlv,
  oids,
  tags,
} from '@certmill/der';
import { CertmillError, type Profile } from '@certmill/domain';
import { builtInProfiles } from '@certmill/domain/profile-files';
import type { ReceivedChunk } from '@certmill/events';
import type { Examination } from '@certmill/ports';
import { examineChunk, type ExaminationOptions } from '../examine-chunk.js';

/** How a test request is signed. */
export interface TestSigner {
  readonly privateKey: KeyObject;
  readonly spki: Uint8Array;
  readonly algorithmDer: Uint8Array;
  readonly sign: (info: Uint8Array) => Uint8Array;
}

export function signerOf(
  privateKey: KeyObject,
  oid: string,
  hash: string | null,
  parameters?: Uint8Array,
): TestSigner {
  return {
    privateKey,
    spki: createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    algorithmDer: encodeAlgorithmIdentifier(oid, parameters),
    sign: (info) => sign(hash, info, privateKey),
  };
}

const ecHashes = {
  'P-256': [oids.ecdsa_with_SHA256, 'sha256'],
  'P-384': [oids.ecdsa_with_SHA384, 'sha384'],
  'P-521': [oids.ecdsa_with_SHA512, 'sha512'],
} as const;

export function ecSigner(namedCurve: keyof typeof ecHashes = 'P-256'): TestSigner {
  const [oid, hash] = ecHashes[namedCurve];
  return signerOf(generateKeyPairSync('ec', { namedCurve }).privateKey, oid, hash);
}

export function ed25519Signer(): TestSigner {
  return signerOf(generateKeyPairSync('ed25519').privateKey, oids.id_Ed25519, null);
}

const mlDsaOids = {
  'ml-dsa-44': oids.id_ml_dsa_44,
  'ml-dsa-65': oids.id_ml_dsa_65,
  'ml-dsa-87': oids.id_ml_dsa_87,
} as const;

export function mlDsaSigner(parameterSet: keyof typeof mlDsaOids = 'ml-dsa-44'): TestSigner {
  const { privateKey } = generateKeyPairSync(parameterSet);
  return signerOf(privateKey, mlDsaOids[parameterSet], null);
}

let rsaKey: KeyObject | undefined;

/** One RSA key for all: making them is slow. */
export function aRsaKey(): KeyObject {
  return (rsaKey ??= generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey);
}

export function rsaSigner(hash: 'sha1' | 'sha256' | 'sha384' | 'sha512' = 'sha256'): TestSigner {
  const oid = {
    sha1: oids.sha1WithRSAEncryption,
    sha256: oids.sha256WithRSAEncryption,
    sha384: oids.sha384WithRSAEncryption,
    sha512: oids.sha512WithRSAEncryption,
  }[hash];
  return signerOf(aRsaKey(), oid, hash, encodeNull());
}

/** RSASSA-PSS (RFC 4055 3.1) with a key that is plain RSA. */
export function pssSigner(
  hash: 'sha256' | 'sha384' | 'sha512',
  stated: number,
  made = stated,
): TestSigner {
  const oid = { sha256: oids.id_sha256, sha384: oids.id_sha384, sha512: oids.id_sha512 }[hash];
  const hashDer = encodeAlgorithmIdentifier(oid, encodeNull());
  const parameters = encodeSequence(
    encodeTlv(contextConstructed(0), hashDer),
    encodeTlv(contextConstructed(1), encodeAlgorithmIdentifier(oids.id_mgf1, hashDer)),
    encodeTlv(contextConstructed(2), encodeInteger(stated)),
  );
  const privateKey = aRsaKey();
  return {
    ...signerOf(privateKey, oids.id_RSASSA_PSS, hash, parameters),
    sign: (info) =>
      sign(hash, info, {
        key: privateKey,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: made,
      }),
  };
}

/** An RSA SubjectPublicKeyInfo with any numbers in it. */
export function rsaSpki(modulus: bigint, exponent = 65_537n): Uint8Array {
  return encodeSequence(
    encodeAlgorithmIdentifier(oids.rsaEncryption, encodeNull()),
    encodeBitString(encodeSequence(encodeInteger(modulus), encodeInteger(exponent))),
  );
}

export function attribute(
  oid: string,
  value: string | Uint8Array,
  tag = tags.utf8String as number,
) {
  const content = typeof value === 'string' ? Buffer.from(value) : value;
  return encodeSequence(encodeOid(oid), encodeTlv(tag, content));
}

/** A Name, each attribute in an RDN of its own. */
export function aName(...attributes: readonly Uint8Array[]): Uint8Array {
  return encodeSequence(...attributes.map((one) => encodeSetOf(one)));
}

export function extension(oid: string, value: Uint8Array): Uint8Array {
  return encodeSequence(encodeOid(oid), encodeTlv(tags.octetString, value));
}

/** The value of a subjectAltName with one hardwareModuleName (RFC 4108 5). */
export function hardwareSan(hwType: string, serial: Uint8Array): Uint8Array {
  const name = encodeSequence(encodeOid(hwType), encodeTlv(tags.octetString, serial));
  return encodeTlv(
    contextConstructed(0),
    encodeOid(oids.id_on_hardwareModuleName),
    encodeTlv(contextConstructed(0), name),
  );
}

export interface CsrParts {
  readonly signer: TestSigner;
  readonly subject: Uint8Array;
  readonly spki: Uint8Array;
  readonly algorithmDer: Uint8Array;
  readonly extensions: readonly Uint8Array[];
  readonly signature: Uint8Array;
}

let defaultSigner: TestSigner | undefined;

/** A good request of `device-1`, with parts replaced before it is signed. */
export function aCsr(parts: Partial<CsrParts> = {}): Uint8Array {
  const signer = parts.signer ?? (defaultSigner ??= ecSigner());
  const extensions = parts.extensions ?? [];
  const attributes =
    extensions.length === 0
      ? []
      : [
          encodeSequence(
            encodeOid(oids.id_extensionRequest),
            encodeSetOf(encodeSequence(...extensions)),
          ),
        ];
  return encodeCertificationRequest({
    subjectDer: parts.subject ?? encodeCommonName('device-1'),
    subjectPKInfoDer: parts.spki ?? signer.spki,
    attributesDer: attributes,
    signatureAlgorithmDer: parts.algorithmDer ?? signer.algorithmDer,
    sign: (info) => parts.signature ?? signer.sign(info),
  });
}

export function aProfile(changes: Partial<Profile> = {}, base = 'tls-client'): Profile {
  const profile = builtInProfiles().get(base);
  if (profile === undefined) throw new CertmillError('NOT_FOUND', `no built-in profile ${base}`);
  return { ...profile, ...changes };
}

export function aChunk(
  requests: readonly Uint8Array[],
  changes: Partial<ReceivedChunk> = {},
): ReceivedChunk {
  return {
    tenant: 'acme',
    orderId: 'order-1',
    batchId: 'ab'.repeat(13),
    chunkNumber: 0,
    firstIndex: 0,
    lane: 'bulk',
    receivedAtMs: 1_700_000_000_000,
    signBeforeMs: 1_800_000_000_000,
    profileHash: '00'.repeat(32),
    issuer: 'issuing-ca',
    serialKeyId: 1,
    requestsDer: concatBytes(requests),
    requestLengths: requests.map((request) => request.length),
    deviceIds: requests.map(() => ''),
    sources: requests.map(() => ''),
    rejections: requests.map(() => 0),
    rejectionDetails: requests.map(() => ''),
    ...changes,
  };
}

/** Examines requests that came without device ids. */
export function examine(
  requests: readonly Uint8Array[],
  profile: Profile = aProfile(),
  options: ExaminationOptions = {},
): Examination {
  return examineChunk(aChunk(requests), profile, options);
}

/** The DER in a PEM text. */
export function derOf(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
}
