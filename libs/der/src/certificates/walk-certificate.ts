import { type SignatureAlgorithmWalk, walkSignatureAlgorithm } from '../keys/algorithms.js';
import type { DerErrorCode } from '../encoding/der-error.js';
import { DerReader, MAX_INPUT_BYTES } from '../encoding/der-reader.js';
import { readTimeContent } from '../encoding/der-time.js';
import { contextConstructed, contextPrimitive, tags } from '../encoding/tags.js';
import { emptyPublicKeyWalk, type PublicKeyWalk, walkPublicKey } from '../keys/walk-public-key.js';
import { isNextContext, walkExtensions, walkName } from '../encoding/walk-structures.js';

/** Where the parts of a Certificate lie: offsets in the caller's buffer, -1 where absent. */
export interface CertificateWalk extends PublicKeyWalk, SignatureAlgorithmWalk {
  /** The TBSCertificate element: the bytes that the issuer signed. */
  tbsCertificateStart: number;
  tbsCertificateEnd: number;
  /** 1, 2 or 3. */
  version: number;
  /** Content of serialNumber. */
  serialNumberStart: number;
  serialNumberEnd: number;
  /** The issuer and subject Name elements. */
  issuerStart: number;
  issuerEnd: number;
  subjectStart: number;
  subjectEnd: number;
  notBeforeSeconds: number;
  notAfterSeconds: number;
  /** The Extensions element. */
  extensionsStart: number;
  extensionsEnd: number;
  /** The AlgorithmIdentifier element after the TBSCertificate. */
  signatureAlgorithmStart: number;
  signatureAlgorithmEnd: number;
  /** Content of the signature BIT STRING without the unused-bits octet. */
  signatureStart: number;
  signatureEnd: number;
  /** Set when the walk returned false; the other fields are then meaningless. */
  error: DerErrorCode | undefined;
  errorOffset: number;
}

export function createCertificateWalk(): CertificateWalk {
  return {
    ...emptyPublicKeyWalk(),
    tbsCertificateStart: -1,
    tbsCertificateEnd: -1,
    version: 0,
    serialNumberStart: -1,
    serialNumberEnd: -1,
    issuerStart: -1,
    issuerEnd: -1,
    subjectStart: -1,
    subjectEnd: -1,
    notBeforeSeconds: 0,
    notAfterSeconds: 0,
    extensionsStart: -1,
    extensionsEnd: -1,
    signatureAlgorithmStart: -1,
    signatureAlgorithmEnd: -1,
    signatureAlgorithm: 'unsupported',
    pssSaltLength: -1,
    signatureStart: -1,
    signatureEnd: -1,
    error: undefined,
    errorOffset: -1,
  };
}

const reader = new DerReader();

/**
 * Walks `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue BIT STRING }`
 * (RFC 5280 4.1), which has to fill `bytes[start, end)` exactly.
 *
 * @returns false with `out.error` and `out.errorOffset` set when the bytes are anything else
 */
export function walkCertificate(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: CertificateWalk,
  maxBytes: number = MAX_INPUT_BYTES,
): boolean {
  const isWalked = reader.reset(bytes, start, end, maxBytes) && walkOuter(end, out);
  out.error = reader.errorCode;
  out.errorOffset = reader.errorOffset;
  reader.release();
  return isWalked;
}

function walkOuter(end: number, out: CertificateWalk): boolean {
  const certificateEnd = reader.open(tags.sequence, end);
  if (certificateEnd < 0) return false;
  if (certificateEnd !== end) return reader.fail('trailing-bytes', certificateEnd);

  out.tbsCertificateStart = reader.position;
  const tbsEnd = reader.open(tags.sequence, certificateEnd);
  out.tbsCertificateEnd = tbsEnd;
  if (tbsEnd < 0) return false;
  const innerStart = walkTbs(tbsEnd, out);
  if (innerStart < 0 || !reader.close(tbsEnd)) return false;

  const outerStart = reader.position;
  out.signatureAlgorithmStart = outerStart;
  if (!walkSignatureAlgorithm(reader, certificateEnd, 2, out)) return false;
  out.signatureAlgorithmEnd = reader.position;
  // RFC 5280 4.1.1.2: both AlgorithmIdentifiers MUST be the same.
  for (let offset = 0; outerStart + offset < reader.position; offset += 1) {
    if (reader.octet(outerStart + offset) !== reader.octet(innerStart + offset)) {
      return reader.fail('signature-algorithm-mismatch', outerStart);
    }
  }
  if (!reader.wholeBitString(certificateEnd)) return false;
  out.signatureStart = reader.contentStart;
  out.signatureEnd = reader.contentEnd;
  return reader.close(certificateEnd);
}

/** TBSCertificate (RFC 5280 4.1); returns where its signature field starts, or -1. */
function walkTbs(end: number, out: CertificateWalk): number {
  if (!walkVersion(end, out) || !reader.integer(end)) return -1;
  out.serialNumberStart = reader.contentStart;
  out.serialNumberEnd = reader.contentEnd;
  const signatureStart = reader.position;
  if (!walkSignatureAlgorithm(reader, end, 3, out)) return -1;

  out.issuerStart = reader.position;
  if (!walkName(reader, end, 3)) return -1;
  out.issuerEnd = reader.position;
  if (!walkValidity(end, out)) return -1;
  out.subjectStart = reader.position;
  if (!walkName(reader, end, 3)) return -1;
  out.subjectEnd = reader.position;
  if (!walkPublicKey(reader, end, 3, out)) return -1;
  return walkTail(end, out) ? signatureStart : -1;
}

/** `version [0] EXPLICIT INTEGER { v1(0), v2(1), v3(2) } DEFAULT v1`. */
function walkVersion(limit: number, out: CertificateWalk): boolean {
  out.version = 1;
  if (!isNextContext(reader, limit, 0)) return true;
  const end = reader.open(contextConstructed(0), limit);
  if (end < 0 || !reader.integer(end)) return false;
  const start = reader.elementStart;
  const value =
    reader.contentEnd - reader.contentStart === 1 ? reader.octet(reader.contentStart) : -1;
  if (value === 0) return reader.fail('default-encoded', start);
  if (value !== 1 && value !== 2) return reader.fail('version-unsupported', start);
  out.version = value + 1;
  return reader.close(end);
}

/** `Validity ::= SEQUENCE { notBefore Time, notAfter Time }` (RFC 5280 4.1.2.5). */
function walkValidity(limit: number, out: CertificateWalk): boolean {
  const end = reader.open(tags.sequence, limit);
  if (end < 0) return false;
  out.notBeforeSeconds = readTime(end);
  if (Number.isNaN(out.notBeforeSeconds)) return false;
  out.notAfterSeconds = readTime(end);
  return !Number.isNaN(out.notAfterSeconds) && reader.close(end);
}

function readTime(limit: number): number {
  const isUtcTime = reader.peek(limit) === tags.utcTime;
  if (!reader.skip(isUtcTime ? tags.utcTime : tags.generalizedTime, limit)) return Number.NaN;
  const seconds = readTimeContent(reader.bytes, reader.tag, reader.contentStart, reader.contentEnd);
  if (Number.isNaN(seconds)) reader.fail('bad-time', reader.elementStart);
  return seconds;
}

/** `issuerUniqueID [1]`, `subjectUniqueID [2]` (v2 and v3) and `extensions [3]` (v3). */
function walkTail(limit: number, out: CertificateWalk): boolean {
  out.extensionsStart = -1;
  out.extensionsEnd = -1;
  for (const number of [1, 2]) {
    if (out.version < 2 || reader.peek(limit) !== contextPrimitive(number)) continue;
    if (!reader.skip(contextPrimitive(number), limit) || !reader.checkBitString()) return false;
  }
  if (out.version < 3 || !isNextContext(reader, limit, 3)) return true;
  const end = reader.open(contextConstructed(3), limit);
  if (end < 0) return false;
  out.extensionsStart = reader.position;
  if (!walkExtensions(reader, end)) return false;
  out.extensionsEnd = reader.position;
  // RFC 5280 4.1: Extensions ::= SEQUENCE SIZE (1..MAX).
  if (out.extensionsEnd - out.extensionsStart <= 2) {
    return reader.fail('empty-set', out.extensionsStart);
  }
  return reader.close(end);
}
