import type { MlDsaAlgorithm } from './algorithms.js';
import { encodeOidContent } from '../encoding/der-encode.js';
import type { DerReader } from '../encoding/der-reader.js';
import { oids } from '../encoding/oids.js';
import { tags } from '../encoding/tags.js';

/**
 * Keys that are told apart. All from 'ec-explicit' on are well-formed DER that policy refuses:
 * explicit curve parameters (RFC 5480 2.1.1 forbids them), a compressed point, another curve, a
 * point (EC or Ed25519) of the wrong form or length for its curve, an ML-DSA key of the wrong
 * length, and any other algorithm.
 */
export type KeyAlgorithm =
  | 'ec-p256'
  | 'ec-p384'
  | 'ec-p521'
  | 'ed25519'
  | MlDsaAlgorithm
  | 'rsa'
  | 'ec-explicit'
  | 'ec-compressed'
  | 'ec-unsupported-curve'
  | 'point-invalid'
  | 'ml-dsa-invalid'
  | 'unsupported';

/** Where a SubjectPublicKeyInfo and its parts lie; offsets in the caller's buffer, -1 if absent. */
export interface PublicKeyWalk {
  /** The SubjectPublicKeyInfo element: its SHA-256 is the UDID. */
  subjectPKInfoStart: number;
  subjectPKInfoEnd: number;
  keyAlgorithm: KeyAlgorithm;
  /** Content of subjectPublicKey without the unused-bits octet: what key identifiers hash. */
  subjectPublicKeyStart: number;
  subjectPublicKeyEnd: number;
  /** The point of an EC or Ed25519 key, with its form octet where the curve has one. */
  pointStart: number;
  pointEnd: number;
  /** Magnitudes of an RSA key, without the leading zero octet of the INTEGERs. */
  modulusStart: number;
  modulusEnd: number;
  modulusBits: number;
  exponentStart: number;
  exponentEnd: number;
}

export function emptyPublicKeyWalk(): PublicKeyWalk {
  return {
    subjectPKInfoStart: -1,
    subjectPKInfoEnd: -1,
    keyAlgorithm: 'unsupported',
    subjectPublicKeyStart: -1,
    subjectPublicKeyEnd: -1,
    pointStart: -1,
    pointEnd: -1,
    modulusStart: -1,
    modulusEnd: -1,
    modulusBits: 0,
    exponentStart: -1,
    exponentEnd: -1,
  };
}

const rsaEncryption = encodeOidContent(oids.rsaEncryption);
const ecPublicKey = encodeOidContent(oids.id_ecPublicKey);
const ed25519 = encodeOidContent(oids.id_Ed25519);

interface NamedCurve {
  readonly oidContent: Uint8Array;
  readonly algorithm: KeyAlgorithm;
  readonly coordinateOctets: number;
}

const namedCurves: readonly NamedCurve[] = [
  { oidContent: encodeOidContent(oids.secp256r1), algorithm: 'ec-p256', coordinateOctets: 32 },
  { oidContent: encodeOidContent(oids.secp384r1), algorithm: 'ec-p384', coordinateOctets: 48 },
  { oidContent: encodeOidContent(oids.secp521r1), algorithm: 'ec-p521', coordinateOctets: 66 },
];

const ED25519_KEY_OCTETS = 32;

interface MlDsaKey {
  readonly oidContent: Uint8Array;
  readonly algorithm: MlDsaAlgorithm;
  /** Of the encoded key: FIPS 204 4, table 2. */
  readonly octets: number;
}

const mlDsaKeys: readonly MlDsaKey[] = [
  { oidContent: encodeOidContent(oids.id_ml_dsa_44), algorithm: 'ml-dsa-44', octets: 1_312 },
  { oidContent: encodeOidContent(oids.id_ml_dsa_65), algorithm: 'ml-dsa-65', octets: 1_952 },
  { oidContent: encodeOidContent(oids.id_ml_dsa_87), algorithm: 'ml-dsa-87', octets: 2_592 },
];

/**
 * `SubjectPublicKeyInfo ::= SEQUENCE { algorithm AlgorithmIdentifier, subjectPublicKey BIT STRING }`
 * (RFC 5280 4.1.2.7). Fills every field of `out`; false: the reader has the error.
 */
export function walkPublicKey(
  reader: DerReader,
  limit: number,
  depth: number,
  out: PublicKeyWalk,
): boolean {
  out.keyAlgorithm = 'unsupported';
  out.pointStart = out.pointEnd = -1;
  out.modulusStart = out.modulusEnd = -1;
  out.modulusBits = 0;
  out.exponentStart = out.exponentEnd = -1;
  out.subjectPublicKeyStart = out.subjectPublicKeyEnd = -1;

  out.subjectPKInfoStart = reader.position;
  const end = reader.open(tags.sequence, limit);
  out.subjectPKInfoEnd = end;
  if (end < 0) return false;
  const algorithmEnd = reader.open(tags.sequence, end);
  if (algorithmEnd < 0 || !reader.objectIdentifier(algorithmEnd)) return false;

  if (reader.contentIs(ecPublicKey)) {
    return (
      readEcParameters(reader, algorithmEnd, depth, out) &&
      readKeyBits(reader, end, out) &&
      judgePoint(reader, out)
    );
  }
  if (reader.contentIs(rsaEncryption)) {
    // RFC 3279 2.3.1: the parameters MUST be NULL. The key goes into the certificate as it is.
    if (!reader.skip(tags.null, algorithmEnd)) return false;
    if (reader.contentStart !== reader.contentEnd || reader.position !== algorithmEnd) {
      return reader.fail('bad-algorithm-parameters', reader.elementStart);
    }
    out.keyAlgorithm = 'rsa';
    return readKeyBits(reader, end, out) && readRsaKey(reader, end, out);
  }
  if (reader.contentIs(ed25519)) {
    // RFC 8410 3: the parameters MUST be absent.
    if (reader.position !== algorithmEnd) {
      return reader.fail('bad-algorithm-parameters', reader.position);
    }
    if (!readKeyBits(reader, end, out)) return false;
    out.pointStart = out.subjectPublicKeyStart;
    out.pointEnd = out.subjectPublicKeyEnd;
    out.keyAlgorithm =
      out.pointEnd - out.pointStart === ED25519_KEY_OCTETS ? 'ed25519' : 'point-invalid';
    return true;
  }
  for (const mlDsaKey of mlDsaKeys) {
    if (reader.contentIs(mlDsaKey.oidContent)) {
      return readMlDsaKey(reader, algorithmEnd, end, mlDsaKey, out);
    }
  }
  if (reader.position < algorithmEnd && !reader.any(algorithmEnd, depth + 2)) return false;
  return reader.close(algorithmEnd) && readKeyBits(reader, end, out);
}

/** RFC 9881 2 and 4: the parameters MUST be absent; the BIT STRING holds the raw key of FIPS 204. */
function readMlDsaKey(
  reader: DerReader,
  algorithmEnd: number,
  end: number,
  { algorithm, octets }: MlDsaKey,
  out: PublicKeyWalk,
): boolean {
  if (reader.position !== algorithmEnd) {
    return reader.fail('bad-algorithm-parameters', reader.position);
  }
  if (!readKeyBits(reader, end, out)) return false;
  const isWhole = out.subjectPublicKeyEnd - out.subjectPublicKeyStart === octets;
  out.keyAlgorithm = isWhole ? algorithm : 'ml-dsa-invalid';
  return true;
}

/**
 * `ECParameters ::= CHOICE { namedCurve OBJECT IDENTIFIER }` (RFC 5480 2.1.1). implicitCurve and
 * specifiedCurve, which PKIX forbids, are recognised, so that policy can name them.
 */
function readEcParameters(
  reader: DerReader,
  end: number,
  depth: number,
  out: PublicKeyWalk,
): boolean {
  if (reader.peek(end) === tags.objectIdentifier) {
    if (!reader.objectIdentifier(end)) return false;
    out.keyAlgorithm = 'ec-unsupported-curve';
    for (const curve of namedCurves) {
      if (!reader.contentIs(curve.oidContent)) continue;
      out.keyAlgorithm = curve.algorithm;
      break;
    }
  } else {
    if (reader.position === end) return reader.fail('bad-algorithm-parameters', end);
    if (!reader.any(end, depth + 2)) return false;
    out.keyAlgorithm = 'ec-explicit';
  }
  return reader.position === end || reader.fail('bad-algorithm-parameters', reader.position);
}

function readKeyBits(reader: DerReader, end: number, out: PublicKeyWalk): boolean {
  if (!reader.wholeBitString(end)) return false;
  out.subjectPublicKeyStart = reader.contentStart;
  out.subjectPublicKeyEnd = reader.contentEnd;
  return reader.close(end);
}

/** SEC 1 2.3.3: 04 is uncompressed, 02 and 03 are compressed; others are never in PKIX. */
function judgePoint(reader: DerReader, out: PublicKeyWalk): true {
  out.pointStart = out.subjectPublicKeyStart;
  out.pointEnd = out.subjectPublicKeyEnd;
  const coordinateOctets = coordinateOctetsOf(out.keyAlgorithm);
  if (coordinateOctets === 0) return true;
  const length = out.pointEnd - out.pointStart;
  const form = length === 0 ? 0 : reader.octet(out.pointStart);
  if (form === 4 && length === 1 + 2 * coordinateOctets) return true;
  const isCompressed = (form === 2 || form === 3) && length === 1 + coordinateOctets;
  out.keyAlgorithm = isCompressed ? 'ec-compressed' : 'point-invalid';
  return true;
}

/** Octets of a coordinate on a supported curve, 0 for anything else. */
function coordinateOctetsOf(algorithm: KeyAlgorithm): number {
  for (const curve of namedCurves) {
    if (curve.algorithm === algorithm) return curve.coordinateOctets;
  }
  return 0;
}

/** `RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }` (RFC 8017 A.1.1). */
function readRsaKey(reader: DerReader, spkiEnd: number, out: PublicKeyWalk): boolean {
  const limit = out.subjectPublicKeyEnd;
  reader.position = out.subjectPublicKeyStart;
  const end = reader.open(tags.sequence, limit);
  if (end < 0) return false;
  if (!readPositive(reader, end)) return false;
  out.modulusStart = reader.contentStart;
  out.modulusEnd = reader.contentEnd;
  out.modulusBits =
    (out.modulusEnd - out.modulusStart) * 8 - (Math.clz32(reader.octet(out.modulusStart)) - 24);
  if (!readPositive(reader, end)) return false;
  out.exponentStart = reader.contentStart;
  out.exponentEnd = reader.contentEnd;
  if (!reader.close(end) || !reader.close(limit)) return false;
  reader.position = spkiEnd;
  return true;
}

/** A positive INTEGER; afterwards the content range is its magnitude. */
function readPositive(reader: DerReader, limit: number): boolean {
  if (!reader.integer(limit)) return false;
  const first = reader.octet(reader.contentStart);
  const isZero = first === 0 && reader.contentEnd - reader.contentStart === 1;
  if (isZero || first >= 0x80) return reader.fail('integer-out-of-range', reader.elementStart);
  if (first === 0) reader.contentStart += 1;
  return true;
}
