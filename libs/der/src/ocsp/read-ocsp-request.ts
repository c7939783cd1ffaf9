import { encodeOidContent } from '../encoding/der-encode.js';
import type { DerResult } from '../encoding/der-error.js';
import { DerReader } from '../encoding/der-reader.js';
import { oids } from '../encoding/oids.js';
import { contextConstructed, tags } from '../encoding/tags.js';
import { type ExtensionRange, isNextContext, walkExtension } from '../encoding/walk-structures.js';

/** Hashes that a CertID is understood in; one in another hash names no issuer that is known. */
export type CertIdHash = 'sha1' | 'sha256' | 'unsupported';

/** Where the parts of a CertID (RFC 6960 4.1.1) lie in the caller's buffer. */
export interface CertIdRange {
  /** The CertID element. */
  readonly start: number;
  readonly end: number;
  readonly hash: CertIdHash;
  /** Contents of issuerNameHash and issuerKeyHash. */
  readonly issuerNameHashStart: number;
  readonly issuerNameHashEnd: number;
  readonly issuerKeyHashStart: number;
  readonly issuerKeyHashEnd: number;
  /** Content of serialNumber. */
  readonly serialNumberStart: number;
  readonly serialNumberEnd: number;
}

/** What a responder needs of an OCSPRequest; offsets in the caller's buffer, -1 where absent. */
export interface OcspRequest {
  readonly certIds: readonly CertIdRange[];
  /** Content of the Nonce OCTET STRING (RFC 9654 2.1). */
  readonly nonceStart: number;
  readonly nonceEnd: number;
  /** A signature is there; who signed is not looked at (RFC 6960 4.1.2 leaves it to the responder). */
  readonly isSigned: boolean;
  /** An extension is critical and none that RFC 6960 4.4 defines for requests. */
  readonly hasUnknownCritical: boolean;
}

/** Clients ask for one certificate, or for a chain; a long list would cost a lookup and a signature each. */
export const MAX_OCSP_REQUESTS = 32;
/** RFC 9654 2.1: Nonce ::= OCTET STRING (SIZE (1..128)). */
export const MAX_NONCE_OCTETS = 128;
/** One with its signature and a chain of certificates fits. */
const MAX_REQUEST_BYTES = 16_384;

const hashes: readonly (readonly [content: Uint8Array, hash: CertIdHash])[] = [
  [encodeOidContent(oids.id_sha256), 'sha256'],
  [encodeOidContent(oids.id_sha1), 'sha1'],
];
const nonceOid = encodeOidContent(oids.id_pkix_ocsp_nonce);
const knownOids: readonly Uint8Array[] = [
  nonceOid,
  encodeOidContent(oids.id_pkix_ocsp_response),
  encodeOidContent(oids.id_pkix_ocsp_service_locator),
  encodeOidContent(oids.id_pkix_ocsp_pref_sig_algs),
];

interface Found {
  certIds: CertIdRange[];
  nonceStart: number;
  nonceEnd: number;
  isSigned: boolean;
  hasUnknownCritical: boolean;
}

/**
 * Reads `OCSPRequest ::= SEQUENCE { tbsRequest, optionalSignature [0] EXPLICIT OPTIONAL }` (RFC 6960
 * 4.1.1), which has to fill `bytes[start, end)`. A nonce of no octet or more than 128 is an error
 * (RFC 9654 2.1), as are more than MAX_OCSP_REQUESTS requests, or none.
 */
export function readOcspRequest(
  bytes: Uint8Array,
  start: number,
  end: number,
): DerResult<OcspRequest> {
  const reader = new DerReader();
  const found: Found = {
    certIds: [],
    nonceStart: -1,
    nonceEnd: -1,
    isSigned: false,
    hasUnknownCritical: false,
  };
  const isRead =
    reader.reset(bytes, start, end, MAX_REQUEST_BYTES) && readOuter(reader, end, found);
  return isRead ? { ok: true, value: found } : reader.failure();
}

function readOuter(reader: DerReader, limit: number, out: Found): boolean {
  const end = reader.open(tags.sequence, limit);
  if (end < 0) return false;
  if (end !== limit) return reader.fail('trailing-bytes', end);
  const tbsEnd = reader.open(tags.sequence, end);
  if (tbsEnd < 0 || !readTbsRequest(reader, tbsEnd, out) || !reader.close(tbsEnd)) return false;
  if (isNextContext(reader, end, 0)) {
    out.isSigned = true;
    if (!walkSignature(reader, end)) return false;
  }
  return reader.close(end);
}

/** `TBSRequest ::= SEQUENCE { version [0], requestorName [1], requestList, requestExtensions [2] }`. */
function readTbsRequest(reader: DerReader, limit: number, out: Found): boolean {
  // v1 is the only version and the DEFAULT: what DER writes out is another one.
  if (isNextContext(reader, limit, 0)) return reader.fail('version-unsupported', reader.position);
  if (isNextContext(reader, limit, 1) && !reader.any(limit, 2)) return false;
  const listStart = reader.position;
  const listEnd = reader.open(tags.sequence, limit);
  if (listEnd < 0) return false;
  if (reader.position === listEnd) return reader.fail('empty-set', listStart);
  while (reader.position < listEnd) {
    if (out.certIds.length === MAX_OCSP_REQUESTS) return reader.fail('too-large', reader.position);
    if (!readRequest(reader, listEnd, out)) return false;
  }
  return !isNextContext(reader, limit, 2) || readExtensions(reader, limit, 2, out);
}

/** `Request ::= SEQUENCE { reqCert CertID, singleRequestExtensions [0] EXPLICIT Extensions }`. */
function readRequest(reader: DerReader, limit: number, out: Found): boolean {
  const end = reader.open(tags.sequence, limit);
  if (end < 0) return false;
  const certId = readCertId(reader, end);
  if (certId === undefined) return false;
  out.certIds.push(certId);
  if (isNextContext(reader, end, 0) && !readExtensions(reader, end, 0, out)) return false;
  return reader.close(end);
}

function readCertId(reader: DerReader, limit: number): CertIdRange | undefined {
  const start = reader.position;
  const end = reader.open(tags.sequence, limit);
  if (end < 0) return undefined;
  const hash = readHashAlgorithm(reader, end);
  if (hash === undefined || !reader.skip(tags.octetString, end)) return undefined;
  const { contentStart: issuerNameHashStart, contentEnd: issuerNameHashEnd } = reader;
  if (!reader.skip(tags.octetString, end)) return undefined;
  const { contentStart: issuerKeyHashStart, contentEnd: issuerKeyHashEnd } = reader;
  if (!reader.integer(end)) return undefined;
  const { contentStart: serialNumberStart, contentEnd: serialNumberEnd } = reader;
  if (!reader.close(end)) return undefined;
  return {
    start,
    end,
    hash,
    issuerNameHashStart,
    issuerNameHashEnd,
    issuerKeyHashStart,
    issuerKeyHashEnd,
    serialNumberStart,
    serialNumberEnd,
  };
}

/** Parameters are NULL, or absent (RFC 4055 2.1, RFC 5754 2): both are taken. */
function readHashAlgorithm(reader: DerReader, limit: number): CertIdHash | undefined {
  const end = reader.open(tags.sequence, limit);
  if (end < 0 || !reader.objectIdentifier(end)) return undefined;
  const known = hashes.find(([content]) => reader.contentIs(content));
  if (reader.position < end && !reader.any(end, 6)) return undefined;
  if (!reader.close(end)) return undefined;
  return known?.[1] ?? 'unsupported';
}

/** `[number] EXPLICIT Extensions`; those of single requests never hold the nonce (RFC 6960 4.4.1). */
function readExtensions(reader: DerReader, limit: number, number: number, out: Found): boolean {
  const outerEnd = reader.open(contextConstructed(number), limit);
  if (outerEnd < 0) return false;
  const end = reader.open(tags.sequence, outerEnd);
  if (end < 0) return false;
  if (reader.position === end) return reader.fail('empty-set', reader.elementStart);
  const range: ExtensionRange = {
    oidStart: 0,
    oidEnd: 0,
    critical: false,
    valueStart: 0,
    valueEnd: 0,
  };
  while (reader.position < end) {
    const start = reader.position;
    if (!walkExtension(reader, end, range)) return false;
    const { oidStart, oidEnd } = range;
    const is = (oid: Uint8Array): boolean =>
      Buffer.compare(reader.bytes.subarray(oidStart, oidEnd), oid) === 0;
    if (number === 2 && is(nonceOid)) {
      if (out.nonceStart >= 0) return reader.fail('duplicate-extension', start);
      if (!readNonce(reader, range, out)) return false;
    } else if (range.critical && !knownOids.some(is)) {
      out.hasUnknownCritical = true;
    }
  }
  return reader.close(outerEnd);
}

function readNonce(reader: DerReader, range: ExtensionRange, out: Found): boolean {
  const after = reader.position;
  reader.position = range.valueStart;
  if (!reader.skip(tags.octetString, range.valueEnd) || !reader.close(range.valueEnd)) return false;
  const octets = reader.contentEnd - reader.contentStart;
  if (octets === 0) return reader.fail('truncated', reader.elementStart);
  if (octets > MAX_NONCE_OCTETS) return reader.fail('too-large', reader.elementStart);
  out.nonceStart = reader.contentStart;
  out.nonceEnd = reader.contentEnd;
  reader.position = after;
  return true;
}

/** `Signature ::= SEQUENCE { signatureAlgorithm, signature BIT STRING, certs [0] EXPLICIT }`. */
function walkSignature(reader: DerReader, limit: number): boolean {
  const outerEnd = reader.open(contextConstructed(0), limit);
  if (outerEnd < 0) return false;
  const end = reader.open(tags.sequence, outerEnd);
  if (end < 0 || !reader.expect(tags.sequence, end) || !reader.any(end, 3)) return false;
  if (!reader.wholeBitString(end)) return false;
  if (isNextContext(reader, end, 0) && !reader.any(end, 3)) return false;
  return reader.close(end) && reader.close(outerEnd);
}
