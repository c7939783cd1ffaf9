import { encodeAlgorithmIdentifier, encodeNull, encodeOidContent } from '../encoding/der-encode.js';
import type { DerReader } from '../encoding/der-reader.js';
import { oids } from '../encoding/oids.js';
import { contextConstructed, tags } from '../encoding/tags.js';

/** The parameter sets of FIPS 204; each names its keys and its signatures (RFC 9881 2). */
export type MlDsaAlgorithm = 'ml-dsa-44' | 'ml-dsa-65' | 'ml-dsa-87';

/** Signature algorithms that are told apart; anything else is `unsupported`, not an error. */
export type SignatureAlgorithm =
  | 'ecdsa-sha1'
  | 'ecdsa-sha224'
  | 'ecdsa-sha256'
  | 'ecdsa-sha384'
  | 'ecdsa-sha512'
  | 'ed25519'
  | MlDsaAlgorithm
  | 'rsa-md2'
  | 'rsa-md5'
  | 'rsa-sha1'
  | 'rsa-sha224'
  | 'rsa-sha256'
  | 'rsa-sha384'
  | 'rsa-sha512'
  | 'rsa-pss-sha256'
  | 'rsa-pss-sha384'
  | 'rsa-pss-sha512'
  | 'unsupported';

/** The algorithms that an issuer may sign with. */
export type IssuerSignatureAlgorithm =
  | 'ecdsa-sha256'
  | 'ecdsa-sha384'
  | 'ecdsa-sha512'
  | 'ed25519'
  | MlDsaAlgorithm
  | 'rsa-sha256'
  | 'rsa-sha384'
  | 'rsa-sha512';

type ParametersRule = 'absent' | 'null-or-absent' | 'pss';

interface KnownSignatureAlgorithm {
  readonly oidContent: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
  readonly parameters: ParametersRule;
}

function known(
  oid: string,
  algorithm: SignatureAlgorithm,
  parameters: ParametersRule,
): KnownSignatureAlgorithm {
  return { oidContent: encodeOidContent(oid), algorithm, parameters };
}

// Most frequent first. ECDSA: RFC 5758 3.2, parameters MUST be absent; Mbed TLS 2.x and its devices in
// the field write NULL, which is taken. EdDSA: RFC 8410 3, absent. ML-DSA: RFC 9881 2, absent.
// RSA: RFC 4055 5, parameters MUST be NULL, and implementations MUST accept them absent as well.
const knownSignatureAlgorithms: readonly KnownSignatureAlgorithm[] = [
  known(oids.ecdsa_with_SHA256, 'ecdsa-sha256', 'null-or-absent'),
  known(oids.sha256WithRSAEncryption, 'rsa-sha256', 'null-or-absent'),
  known(oids.ecdsa_with_SHA384, 'ecdsa-sha384', 'null-or-absent'),
  known(oids.ecdsa_with_SHA512, 'ecdsa-sha512', 'null-or-absent'),
  known(oids.id_Ed25519, 'ed25519', 'absent'),
  known(oids.sha384WithRSAEncryption, 'rsa-sha384', 'null-or-absent'),
  known(oids.sha512WithRSAEncryption, 'rsa-sha512', 'null-or-absent'),
  known(oids.id_ml_dsa_44, 'ml-dsa-44', 'absent'),
  known(oids.id_ml_dsa_65, 'ml-dsa-65', 'absent'),
  known(oids.id_ml_dsa_87, 'ml-dsa-87', 'absent'),
  known(oids.id_RSASSA_PSS, 'unsupported', 'pss'),
  known(oids.sha1WithRSAEncryption, 'rsa-sha1', 'null-or-absent'),
  known(oids.sha1WithRSASignature, 'rsa-sha1', 'null-or-absent'),
  known(oids.md5WithRSAEncryption, 'rsa-md5', 'null-or-absent'),
  known(oids.md2WithRSAEncryption, 'rsa-md2', 'null-or-absent'),
  known(oids.sha224WithRSAEncryption, 'rsa-sha224', 'null-or-absent'),
  known(oids.ecdsa_with_SHA1, 'ecdsa-sha1', 'null-or-absent'),
  known(oids.ecdsa_with_SHA224, 'ecdsa-sha224', 'null-or-absent'),
];

interface PssHash {
  readonly oidContent: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
}

const pssHashes: readonly PssHash[] = [
  { oidContent: encodeOidContent(oids.id_sha256), algorithm: 'rsa-pss-sha256' },
  { oidContent: encodeOidContent(oids.id_sha384), algorithm: 'rsa-pss-sha384' },
  { oidContent: encodeOidContent(oids.id_sha512), algorithm: 'rsa-pss-sha512' },
];

const mgf1 = encodeOidContent(oids.id_mgf1);

/** The signature algorithm of a request or certificate. */
export interface SignatureAlgorithmWalk {
  signatureAlgorithm: SignatureAlgorithm;
  /** Octets of salt that the parameters of an `rsa-pss-*` signature state; else -1. */
  pssSaltLength: number;
}

/**
 * Reads `AlgorithmIdentifier ::= SEQUENCE { algorithm OBJECT IDENTIFIER, parameters ANY DEFINED BY
 * algorithm OPTIONAL }` (RFC 5280 4.1.1.2) of a signature. False: the reader has the error.
 */
export function walkSignatureAlgorithm(
  reader: DerReader,
  limit: number,
  depth: number,
  out: SignatureAlgorithmWalk,
): boolean {
  out.signatureAlgorithm = 'unsupported';
  out.pssSaltLength = -1;
  const end = reader.open(tags.sequence, limit);
  if (end < 0 || !reader.objectIdentifier(end)) return false;
  for (const candidate of knownSignatureAlgorithms) {
    if (!reader.contentIs(candidate.oidContent)) continue;
    if (candidate.parameters === 'pss') return walkPssParameters(reader, end, depth + 1, out);
    if (candidate.parameters === 'null-or-absent' && !skipNullOrAbsent(reader, end)) return false;
    out.signatureAlgorithm = candidate.algorithm;
    return reader.position === end || reader.fail('bad-algorithm-parameters', reader.position);
  }
  if (reader.position < end && !reader.any(end, depth + 1)) return false;
  return reader.close(end);
}

function skipNullOrAbsent(reader: DerReader, end: number): boolean {
  if (reader.position === end) return true;
  if (reader.peek(end) !== tags.null) {
    return reader.fail('bad-algorithm-parameters', reader.position);
  }
  if (!reader.skip(tags.null, end)) return false;
  return reader.contentStart === reader.contentEnd || reader.fail('bad-null', reader.elementStart);
}

// A salt cannot be longer than the largest modulus that anyone verifies with.
const MAX_SALT_OCTETS = 2_048;
const DEFAULT_SALT_OCTETS = 20;

/**
 * `RSASSA-PSS-params ::= SEQUENCE { hashAlgorithm [0] DEFAULT sha1, maskGenAlgorithm [1] DEFAULT
 * mgf1SHA1, saltLength [2] DEFAULT 20, trailerField [3] DEFAULT 1 }` (RFC 4055 3.1). Supported is
 * one SHA-2 hash for both. RFC 4055 recommends a salt as long as the hash, but OpenSSL 3.0 makes
 * it as long as the key allows, so any length is read and reported.
 */
function walkPssParameters(
  reader: DerReader,
  end: number,
  depth: number,
  out: SignatureAlgorithmWalk,
): boolean {
  if (reader.position === end) return reader.fail('bad-algorithm-parameters', end);
  const start = reader.position;
  // First the shape of everything, so that only DER is ever called merely unsupported.
  if (!reader.expect(tags.sequence, end) || !reader.any(end, depth) || !reader.close(end)) {
    return false;
  }
  reader.position = start;
  readPssParameters(reader, reader.open(tags.sequence, end), out);
  reader.position = end;
  return true;
}

/** Fills `out` when the well-formed parameters before `end` are supported ones. */
function readPssParameters(reader: DerReader, end: number, out: SignatureAlgorithmWalk): void {
  if (reader.peek(end) !== contextConstructed(0)) return;
  const hashEnd = reader.open(contextConstructed(0), end);
  const hash = readHash(reader, hashEnd);
  if (hash === undefined || reader.position !== hashEnd) return;

  if (reader.peek(end) !== contextConstructed(1)) return;
  const maskEnd = reader.open(contextConstructed(1), end);
  if (reader.peek(maskEnd) !== tags.sequence) return;
  if (reader.open(tags.sequence, maskEnd) !== maskEnd) return;
  if (reader.peek(maskEnd) !== tags.objectIdentifier) return;
  if (!reader.skip(tags.objectIdentifier, maskEnd) || !reader.contentIs(mgf1)) return;
  if (readHash(reader, maskEnd) !== hash || reader.position !== maskEnd) return;

  const saltLength = readSaltLength(reader, end);
  // A trailerField that is written out is either not 1 or not DER.
  if (saltLength < 0 || reader.position !== end) return;
  out.signatureAlgorithm = hash.algorithm;
  out.pssSaltLength = saltLength;
}

/** `saltLength [2] INTEGER DEFAULT 20`, or -1. */
function readSaltLength(reader: DerReader, limit: number): number {
  if (reader.peek(limit) !== contextConstructed(2)) return DEFAULT_SALT_OCTETS;
  const end = reader.open(contextConstructed(2), limit);
  if (reader.peek(end) !== tags.integer || !reader.skip(tags.integer, end)) return -1;
  if (reader.position !== end || reader.contentEnd - reader.contentStart > 2) return -1;
  if (reader.octet(reader.contentStart) >= 0x80) return -1;
  let length = 0;
  for (let index = reader.contentStart; index < reader.contentEnd; index += 1) {
    length = length * 256 + reader.octet(index);
  }
  return length <= MAX_SALT_OCTETS ? length : -1;
}

function readHash(reader: DerReader, limit: number): PssHash | undefined {
  if (reader.peek(limit) !== tags.sequence) return undefined;
  const end = reader.open(tags.sequence, limit);
  if (reader.peek(end) !== tags.objectIdentifier) return undefined;
  if (!reader.skip(tags.objectIdentifier, end)) return undefined;
  const hash = pssHashes.find((candidate) => reader.contentIs(candidate.oidContent));
  // RFC 4055 2.1: NULL and absent parameters MUST both be accepted.
  if (reader.peek(end) === tags.null && !reader.skip(tags.null, end)) return undefined;
  return reader.position === end ? hash : undefined;
}

const issuerAlgorithmOids: Record<IssuerSignatureAlgorithm, string> = {
  'ecdsa-sha256': oids.ecdsa_with_SHA256,
  'ecdsa-sha384': oids.ecdsa_with_SHA384,
  'ecdsa-sha512': oids.ecdsa_with_SHA512,
  ed25519: oids.id_Ed25519,
  'ml-dsa-44': oids.id_ml_dsa_44,
  'ml-dsa-65': oids.id_ml_dsa_65,
  'ml-dsa-87': oids.id_ml_dsa_87,
  'rsa-sha256': oids.sha256WithRSAEncryption,
  'rsa-sha384': oids.sha384WithRSAEncryption,
  'rsa-sha512': oids.sha512WithRSAEncryption,
};

/** The AlgorithmIdentifier to put into certificates that are signed with `algorithm`. */
export function signatureAlgorithmDer(algorithm: IssuerSignatureAlgorithm): Uint8Array {
  const oid = issuerAlgorithmOids[algorithm];
  return algorithm.startsWith('rsa-')
    ? encodeAlgorithmIdentifier(oid, encodeNull())
    : encodeAlgorithmIdentifier(oid);
}
