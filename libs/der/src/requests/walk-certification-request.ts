import { type SignatureAlgorithmWalk, walkSignatureAlgorithm } from '../keys/algorithms.js';
import { encodeOidContent } from '../encoding/der-encode.js';
import type { DerErrorCode } from '../encoding/der-error.js';
import { DerReader, MAX_INPUT_BYTES } from '../encoding/der-reader.js';
import { oids } from '../encoding/oids.js';
import { contextConstructed, tags } from '../encoding/tags.js';
import { emptyPublicKeyWalk, type PublicKeyWalk, walkPublicKey } from '../keys/walk-public-key.js';
import { walkExtensions, walkName } from '../encoding/walk-structures.js';

/**
 * Where the parts of a CertificationRequest lie: offsets in the caller's buffer, -1 where absent.
 * The caller owns and reuses it; it holds no reference to the input.
 */
export interface CertificationRequestWalk extends PublicKeyWalk, SignatureAlgorithmWalk {
  /** The CertificationRequestInfo element: the bytes that the requester signed. */
  certificationRequestInfoStart: number;
  certificationRequestInfoEnd: number;
  /** The subject Name element. */
  subjectStart: number;
  subjectEnd: number;
  attributeCount: number;
  hasChallengePassword: boolean;
  /** The Extensions element inside extensionRequest. */
  extensionsStart: number;
  extensionsEnd: number;
  /** Content of the signature BIT STRING without the unused-bits octet. */
  signatureStart: number;
  signatureEnd: number;
  /** Set when the walk returned false; the other fields are then meaningless. */
  error: DerErrorCode | undefined;
  errorOffset: number;
}

export function createCertificationRequestWalk(): CertificationRequestWalk {
  return {
    ...emptyPublicKeyWalk(),
    certificationRequestInfoStart: -1,
    certificationRequestInfoEnd: -1,
    subjectStart: -1,
    subjectEnd: -1,
    attributeCount: 0,
    hasChallengePassword: false,
    extensionsStart: -1,
    extensionsEnd: -1,
    signatureAlgorithm: 'unsupported',
    pssSaltLength: -1,
    signatureStart: -1,
    signatureEnd: -1,
    error: undefined,
    errorOffset: -1,
  };
}

const extensionRequest = encodeOidContent(oids.id_extensionRequest);
const microsoftExtensions = encodeOidContent(oids.ms_certExtensions);
const challengePassword = encodeOidContent(oids.id_challengePassword);

// One reader for all walks: a walk is synchronous and runs to its end.
const reader = new DerReader();

/**
 * Walks `CertificationRequest ::= SEQUENCE { certificationRequestInfo, signatureAlgorithm,
 * signature BIT STRING }` (RFC 2986 4.2), which has to fill `bytes[start, end)` exactly, copying
 * and allocating nothing.
 *
 * Strict DER, with three exceptions: attributes in any order, though a SET OF should be sorted; no
 * `[0]` at all where there are no attributes, as old encoders have it; and `critical` FALSE written
 * out (see `walkExtension`). None of these bytes gets into a certificate.
 *
 * @returns false with `out.error` and `out.errorOffset` set when the bytes are anything else
 */
export function walkCertificationRequest(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: CertificationRequestWalk,
  maxBytes: number = MAX_INPUT_BYTES,
): boolean {
  const isWalked = reader.reset(bytes, start, end, maxBytes) && walkRequest(end, out);
  out.error = reader.errorCode;
  out.errorOffset = reader.errorOffset;
  reader.release();
  return isWalked;
}

function walkRequest(end: number, out: CertificationRequestWalk): boolean {
  const requestEnd = reader.open(tags.sequence, end);
  if (requestEnd < 0) return false;
  if (requestEnd !== end) return reader.fail('trailing-bytes', requestEnd);
  if (!walkRequestInfo(requestEnd, out)) return false;
  if (!walkSignatureAlgorithm(reader, requestEnd, 2, out)) return false;
  if (!reader.wholeBitString(requestEnd)) return false;
  out.signatureStart = reader.contentStart;
  out.signatureEnd = reader.contentEnd;
  return reader.close(requestEnd);
}

/**
 * `CertificationRequestInfo ::= SEQUENCE { version INTEGER { v1(0) }, subject Name, subjectPKInfo
 * SubjectPublicKeyInfo, attributes [0] IMPLICIT SET OF Attribute }` (RFC 2986 4.1).
 */
function walkRequestInfo(limit: number, out: CertificationRequestWalk): boolean {
  out.certificationRequestInfoStart = reader.position;
  const end = reader.open(tags.sequence, limit);
  out.certificationRequestInfoEnd = end;
  if (end < 0 || !reader.integer(end)) return false;
  const isVersion1 =
    reader.contentEnd - reader.contentStart === 1 && reader.octet(reader.contentStart) === 0;
  if (!isVersion1) return reader.fail('version-unsupported', reader.elementStart);

  out.subjectStart = reader.position;
  if (!walkName(reader, end, 3)) return false;
  out.subjectEnd = reader.position;
  return walkPublicKey(reader, end, 3, out) && walkAttributes(end, out) && reader.close(end);
}

function walkAttributes(limit: number, out: CertificationRequestWalk): boolean {
  out.attributeCount = 0;
  out.hasChallengePassword = false;
  out.extensionsStart = -1;
  out.extensionsEnd = -1;
  if (reader.position === limit) return true;
  const end = reader.open(contextConstructed(0), limit);
  if (end < 0) return false;
  while (reader.position < end) {
    if (!walkAttribute(end, out)) return false;
    out.attributeCount += 1;
  }
  return true;
}

/** `Attribute ::= SEQUENCE { type OBJECT IDENTIFIER, values SET SIZE (1..MAX) OF ANY }`. */
function walkAttribute(limit: number, out: CertificationRequestWalk): boolean {
  const start = reader.position;
  const end = reader.open(tags.sequence, limit);
  if (end < 0 || !reader.objectIdentifier(end)) return false;
  const isExtensionRequest =
    reader.contentIs(extensionRequest) || reader.contentIs(microsoftExtensions);
  if (reader.contentIs(challengePassword)) out.hasChallengePassword = true;

  const valuesStart = reader.position;
  const valuesEnd = reader.open(tags.set, end);
  if (valuesEnd < 0) return false;
  if (reader.position === valuesEnd) return reader.fail('empty-set', valuesStart);
  if (isExtensionRequest) {
    if (out.extensionsStart >= 0) return reader.fail('duplicate-attribute', start);
    out.extensionsStart = reader.position;
    if (!walkExtensions(reader, valuesEnd)) return false;
    out.extensionsEnd = reader.position;
    // RFC 2985 5.4.2: SINGLE VALUE TRUE.
    if (!reader.close(valuesEnd)) return false;
  }
  while (reader.position < valuesEnd) if (!reader.any(valuesEnd, 6)) return false;
  return reader.close(end);
}
