import { createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto';
import { type Profile, type ProfileKey, serialNumberBytes } from '@certmill/domain';
import {
  CERTIFICATE_HEAD_ROOM,
  encodeAlgorithmIdentifier,
  encodeBitString,
  encodeInteger,
  encodeNull,
  encodeSequence,
  finishCertificate,
  oids,
} from '@certmill/der';
import {
  compileAuthorityProfile,
  type CompiledProfile,
  heldMatterIds,
  type ProfileIssuer,
  Turns,
} from '@certmill/pipeline/compute';
import { generateIssuerKey, type IssuerKeyPair } from '../keys/generate-key.js';
import type { IssuerKeyType } from '../keys/key-types.js';
import { sampleValuesOf } from './sample-values.js';

/** The issuer that samples are made for: its names and limits, and the type of its key. */
export interface SampleIssuer extends ProfileIssuer {
  readonly keyType: IssuerKeyType;
}

/** A certificate as the profile would make it, signed with a key that nobody stores. */
export interface SampleCertificate {
  /** For people: key type and values. */
  readonly label: string;
  readonly der: Uint8Array;
  readonly serialNumber: Uint8Array;
  readonly spki: Uint8Array;
  /** The throw-away key's public part. */
  readonly issuerKey: KeyObject;
}

/** Profile files are 64 KiB at most, and an ML-DSA-87 key has 2.5 KiB. */
const maxSampleBytes = 256 * 1024;
/** Of ML-DSA-87: 4,627 octets. */
const maxSignatureOctets = 5 * 1024;

const digests = {
  'ecdsa-sha256': 'sha256',
  'ecdsa-sha384': 'sha384',
  'ecdsa-sha512': 'sha512',
  ed25519: null,
  'ml-dsa-44': null,
  'ml-dsa-65': null,
  'ml-dsa-87': null,
  'rsa-sha256': 'sha256',
  'rsa-sha384': 'sha384',
  'rsa-sha512': 'sha512',
} as const;

/**
 * Makes sample certificates of a profile through the compiled template that signing uses, for each
 * key type and each set of values. Nothing is judged here: a bad profile gives bad certificates.
 * @param issuerKey signs them; by default one that nobody stores.
 * Throws PROFILE_INVALID where no certificate can be made at all.
 */
export async function makeSamples(
  ...sampled: Parameters<typeof samplesInTurns>
): Promise<readonly SampleCertificate[]> {
  return Array.fromAsync(samplesInTurns(...sampled));
}

/** The same one by one, and others get their turn in between. */
export async function* samplesInTurns(
  profile: Profile,
  issuer: SampleIssuer,
  nowMs: number,
  issuerKey?: KeyObject,
): AsyncGenerator<SampleCertificate> {
  const compiled = compileAuthorityProfile(profile, issuer);
  const privateKey = issuerKey ?? (await sampleKeyOf(issuer.keyType)).privateKey;
  const publicKey = createPublicKey(privateKey);
  const ids = heldMatterIds(profile, issuer.subjectDer) ?? {};
  const valuesOfSamples = await sampleValuesOf(profile, ids);
  const turns = new Turns();
  for (const key of profile.keys) {
    const spki = await throwAwayPublicKey(key);
    for (const { label, values } of valuesOfSamples) {
      const serialNumber = randomBytes(serialNumberBytes);
      serialNumber[0] = 1;
      const crlShard = lastShardOf(issuer);
      const input = { serialNumber, receivedAtMs: nowMs, spki, values, crlShard };
      const der = issue(compiled, input, privateKey, issuer);
      const type = key.type === 'rsa' ? `rsa-${String(key.maxBits)}` : key.type;
      yield {
        label: `${type}, ${label}`,
        der,
        serialNumber,
        spki,
        issuerKey: publicKey,
      };
      await turns.next();
    }
  }
}

const sampleKeys = new Map<IssuerKeyType, Promise<IssuerKeyPair>>();

/**
 * One of each type for the process: one of RSA takes seconds, and the thread pool, to make, and whoever adds profiles asks
 * for many.
 */
function sampleKeyOf(keyType: IssuerKeyType): Promise<IssuerKeyPair> {
  const known = sampleKeys.get(keyType) ?? generateIssuerKey(keyType);
  sampleKeys.set(keyType, known);
  known.catch(() => sampleKeys.delete(keyType));
  return known;
}

/** The one with the longest URI. */
function lastShardOf({ status }: SampleIssuer): number {
  return Math.max(0, (status?.crlShards ?? 0) - 1);
}

function issue(
  compiled: CompiledProfile,
  input: Parameters<CompiledProfile['writeTbs']>[0],
  privateKey: KeyObject,
  issuer: SampleIssuer,
): Uint8Array {
  const out = new Uint8Array(maxSampleBytes);
  const tbsEnd = maxSampleBytes - maxSignatureOctets;
  const tbsStart = compiled.writeTbs(input, out, tbsEnd, CERTIFICATE_HEAD_ROOM);
  const signature = sign(
    digests[issuer.signatureAlgorithm],
    out.subarray(tbsStart, tbsEnd),
    privateKey,
  );
  const { start, end } = finishCertificate(
    out,
    tbsStart,
    tbsEnd,
    compiled.signatureAlgorithmDer,
    signature,
  );
  return out.slice(start, end);
}

/** The most octets that a signature of the issuer's key has; ECDSA: RFC 3279 2.2.3, ML-DSA: FIPS 204 4. */
function maxSignatureBytes(keyType: IssuerKeyType): number {
  switch (keyType) {
    case 'ec-p256':
      return 72;
    case 'ec-p384':
      return 104;
    case 'ec-p521':
      return 139;
    case 'ed25519':
      return 64;
    case 'ml-dsa-44':
      return 2_420;
    case 'ml-dsa-65':
      return 3_309;
    case 'ml-dsa-87':
      return 4_627;
    default:
      return Number(keyType.slice('rsa-'.length)) / 8;
  }
}

/** Of 256 bits: requests with a longer one are refused (NIST SP 800-56B 6.2). */
const largestExponent = new Uint8Array(32).fill(0xff);

/** SEQUENCE, BIT STRING and their lengths around a TBSCertificate and its signature. */
const wrappingBytes = 16;

/**
 * The most octets that a certificate of the profile has whose values have so many octets each.
 * @param valueBytes in the order of `profileSlots`.
 */
export async function largestCertificateBytes(
  profile: Profile,
  issuer: SampleIssuer,
  valueBytes: readonly number[],
  nowMs: number,
): Promise<number> {
  const compiled = compileAuthorityProfile(profile, issuer);
  const out = new Uint8Array(maxSampleBytes);
  const values = valueBytes.map((bytes) => Buffer.alloc(bytes, 'W'));
  const serialNumber = new Uint8Array(serialNumberBytes).fill(1);
  let most = 0;
  for (const key of profile.keys) {
    const spki =
      key.type === 'rsa'
        ? rsaShapedKey(key.maxBits, largestExponent)
        : await throwAwayPublicKey(key);
    const crlShard = lastShardOf(issuer);
    const input = { serialNumber, receivedAtMs: nowMs, spki, values, crlShard };
    const tbsStart = compiled.writeTbs(input, out, out.length, CERTIFICATE_HEAD_ROOM);
    most = Math.max(most, out.length - tbsStart);
  }
  return (
    most + compiled.signatureAlgorithmDer.length + maxSignatureBytes(issuer.keyType) + wrappingBytes
  );
}

/** SubjectPublicKeyInfo of a device key; for RSA of the largest size that the profile accepts. */
async function throwAwayPublicKey(key: ProfileKey): Promise<Uint8Array> {
  if (key.type === 'rsa') return rsaShapedKey(key.maxBits);
  const { publicKey } = await generateIssuerKey(key.type);
  return publicKey.export({ format: 'der', type: 'spki' });
}

/**
 * An RSA key in shape only: the device never signs here, and a real one of 4,096 bits takes seconds
 * to make. RFC 3279 2.3.1.
 */
function rsaShapedKey(bits: number, exponent: Uint8Array | number = 65_537): Uint8Array {
  const modulus = randomBytes(Math.ceil(bits / 8));
  const spareBits = modulus.length * 8 - bits;
  modulus[0] = ((modulus[0] ?? 0) | 0x80) >> spareBits;
  modulus[modulus.length - 1] = (modulus.at(-1) ?? 0) | 1;
  return encodeSequence(
    encodeAlgorithmIdentifier(oids.rsaEncryption, encodeNull()),
    encodeBitString(encodeSequence(encodeInteger(modulus), encodeInteger(exponent))),
  );
}
