import { encodeAlgorithmIdentifier, encodeNull, encodeOidContent } from './der-encode.js';
import type { DerReader } from './der-reader.js';
import { oids } from './oids.js';
import { contextConstructed, tags } from './tags.js';

/** Signature algorithms that are told apart; anything else is `unsupported`, not an error. */
export type SignatureAlgorithm =
  | 'ecdsa-sha1'
  | 'ecdsa-sha224'
  | 'ecdsa-sha256'
  | 'ecdsa-sha384'
  | 'ecdsa-sha512'
  | 'ed25519'
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

// Most frequent first. ECDSA: RFC 5758 3.2, parameters MUST be absent. EdDSA: RFC 8410 3, the same.
// RSA: RFC 4055 5, parameters MUST be NULL, and implementations MUST accept them absent as well.
const knownSignatureAlgorithms: readonly KnownSignatureAlgorithm[] = [
  known(oids.ecdsa_with_SHA256, 'ecdsa-sha256', 'absent'),
  known(oids.sha256WithRSAEncryption, 'rsa-sha256', 'null-or-absent'),
  known(oids.ecdsa_with_SHA384, 'ecdsa-sha384', 'absent'),
  known(oids.ecdsa_with_SHA512, 'ecdsa-sha512', 'absent'),
  known(oids.id_Ed25519, 'ed25519', 'absent'),
  known(oids.sha384WithRSAEncryption, 'rsa-sha384', 'null-or-absent'),
  known(oids.sha512WithRSAEncryption, 'rsa-sha512', 'null-or-absent'),
  known(oids.id_RSASSA_PSS, 'unsupported', 'pss'),
  known(oids.sha1WithRSAEncryption, 'rsa-sha1', 'null-or-absent'),
  known(oids.sha1WithRSASignature, 'rsa-sha1', 'null-or-absent'),
  known(oids.md5WithRSAEncryption, 'rsa-md5', 'null-or-absent'),
  known(oids.md2WithRSAEncryption, 'rsa-md2', 'null-or-absent'),
  known(oids.sha224WithRSAEncryption, 'rsa-sha224', 'null-or-absent'),
  known(oids.ecdsa_with_SHA1, 'ecdsa-sha1', 'absent'),
  known(oids.ecdsa_with_SHA224, 'ecdsa-sha224', 'absent'),
];

interface PssHash {
  readonly oidContent: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
  readonly octets: number;
}

const pssHashes: readonly PssHash[] = [
  { oidContent: encodeOidContent(oids.id_sha256), algorithm: 'rsa-pss-sha256', octets: 32 },
  { oidContent: encodeOidContent(oids.id_sha384), algorithm: 'rsa-pss-sha384', octets: 48 },
  { oidContent: encodeOidContent(oids.id_sha512), algorithm: 'rsa-pss-sha512', octets: 64 },
];

const mgf1 = encodeOidContent(oids.id_mgf1);

/**
 * Reads `AlgorithmIdentifier ::= SEQUENCE { algorithm OBJECT IDENTIFIER, parameters ANY DEFINED BY
 * algorithm OPTIONAL }` (RFC 5280 4.1.1.2) of a signature. Undefined: the reader has the error.
 */
export function readSignatureAlgorithm(
  reader: DerReader,
  limit: number,
  depth: number,
): SignatureAlgorithm | undefined {
  const end = reader.open(tags.sequence, limit);
  if (end < 0 || !reader.objectIdentifier(end)) return undefined;
  for (const candidate of knownSignatureAlgorithms) {
    if (!reader.contentIs(candidate.oidContent)) continue;
    if (candidate.parameters === 'pss') return readPssParameters(reader, end);
    if (candidate.parameters === 'null-or-absent' && !skipNullOrAbsent(reader, end)) {
      return undefined;
    }
    return reader.position === end || reader.fail('bad-algorithm-parameters', reader.position)
      ? candidate.algorithm
      : undefined;
  }
  if (reader.position < end && !reader.any(end, depth + 1)) return undefined;
  return reader.close(end) ? 'unsupported' : undefined;
}

function skipNullOrAbsent(reader: DerReader, end: number): boolean {
  if (reader.position === end) return true;
  if (reader.peek(end) !== tags.null) {
    return reader.fail('bad-algorithm-parameters', reader.position);
  }
  if (!reader.skip(tags.null, end)) return false;
  return reader.contentStart === reader.contentEnd || reader.fail('bad-null', reader.elementStart);
}

/**
 * `RSASSA-PSS-params ::= SEQUENCE { hashAlgorithm [0] DEFAULT sha1, maskGenAlgorithm [1] DEFAULT
 * mgf1SHA1, saltLength [2] DEFAULT 20, trailerField [3] DEFAULT 1 }` (RFC 4055 3.1). Supported is
 * what RFC 4055 and RFC 8017 recommend: one SHA-2 hash for both, a salt as long as the hash.
 */
function readPssParameters(reader: DerReader, end: number): SignatureAlgorithm | undefined {
  if (reader.position === end) {
    reader.fail('bad-algorithm-parameters', end);
    return undefined;
  }
  const start = reader.position;
  const parametersEnd = reader.open(tags.sequence, end);
  if (parametersEnd < 0) return undefined;
  const contentStart = reader.position;
  // First the shape of everything, so that only DER is ever called merely unsupported.
  reader.position = start;
  if (!reader.any(end, 4) || !reader.close(end)) return undefined;
  reader.position = contentStart;
  const algorithm = readPssProfile(reader, parametersEnd);
  reader.position = end;
  return algorithm ?? 'unsupported';
}

function readPssProfile(reader: DerReader, end: number): SignatureAlgorithm | undefined {
  if (reader.peek(end) !== contextConstructed(0)) return undefined;
  const hashEnd = reader.open(contextConstructed(0), end);
  const hash = readHash(reader, hashEnd);
  if (hash === undefined || reader.position !== hashEnd) return undefined;

  if (reader.peek(end) !== contextConstructed(1)) return undefined;
  const maskEnd = reader.open(contextConstructed(1), end);
  if (reader.peek(maskEnd) !== tags.sequence) return undefined;
  const maskAlgorithmEnd = reader.open(tags.sequence, maskEnd);
  if (maskAlgorithmEnd !== maskEnd || reader.peek(maskEnd) !== tags.objectIdentifier) {
    return undefined;
  }
  if (!reader.skip(tags.objectIdentifier, maskEnd) || !reader.contentIs(mgf1)) return undefined;
  if (readHash(reader, maskEnd) !== hash || reader.position !== maskEnd) return undefined;

  if (reader.peek(end) !== contextConstructed(2)) return undefined;
  const saltEnd = reader.open(contextConstructed(2), end);
  if (reader.peek(saltEnd) !== tags.integer || !reader.skip(tags.integer, saltEnd)) {
    return undefined;
  }
  const isHashLong =
    reader.contentEnd - reader.contentStart === 1 &&
    reader.octet(reader.contentStart) === hash.octets;
  // A trailerField that is written out is either not 1 or not DER.
  return isHashLong && reader.position === saltEnd && saltEnd === end ? hash.algorithm : undefined;
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
