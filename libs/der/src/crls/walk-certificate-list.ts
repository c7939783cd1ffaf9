import type { DerErrorCode } from '../encoding/der-error.js';
import { DerReader } from '../encoding/der-reader.js';
import { readTimeContent } from '../encoding/der-time.js';
import { contextConstructed, tags } from '../encoding/tags.js';
import { walkExtensions } from '../encoding/walk-structures.js';

/** A CRL of four million entries; its offsets stay numbers. */
const maxCrlBytes = 256 * 1024 * 1024;

/** Where the parts of a CertificateList lie: offsets in the caller's buffer, -1 where absent. */
export interface CertificateListWalk {
  /** The TBSCertList element: the bytes that were signed. */
  tbsCertListStart: number;
  tbsCertListEnd: number;
  /** 1 or 2. */
  version: number;
  /** The AlgorithmIdentifier elements inside and after the TBSCertList. */
  tbsSignatureStart: number;
  tbsSignatureEnd: number;
  signatureAlgorithmStart: number;
  signatureAlgorithmEnd: number;
  /** The issuer Name element. */
  issuerStart: number;
  issuerEnd: number;
  thisUpdateSeconds: number;
  /** NaN where absent. */
  nextUpdateSeconds: number;
  /** Whether revokedCertificates is there, empty or not. */
  hasEntries: boolean;
  /** Content of revokedCertificates: entries one after the other. Equal where there are none. */
  entriesStart: number;
  entriesEnd: number;
  /** The Extensions element. */
  extensionsStart: number;
  extensionsEnd: number;
  /** Content of the signature BIT STRING without the unused-bits octet. */
  signatureStart: number;
  signatureEnd: number;
  error: DerErrorCode | undefined;
  errorOffset: number;
}

/** One entry of revokedCertificates: offsets in the caller's buffer, overwritten by the next. */
export interface CrlEntryWalk {
  /** Content of userCertificate. */
  serialNumberStart: number;
  serialNumberEnd: number;
  revocationDateSeconds: number;
  /** The Extensions element of crlEntryExtensions, -1 where absent. */
  extensionsStart: number;
  extensionsEnd: number;
}

/**
 * Walks `CertificateList` (RFC 5280 5.1), which has to fill `bytes`. Entries are passed over: `walkCrlEntries`
 * reads them, so that a list of millions costs nothing but its time.
 * @returns with `error` and `errorOffset` set where the bytes are anything else.
 */
export function walkCertificateList(bytes: Uint8Array): CertificateListWalk {
  const out = emptyWalk();
  const reader = new DerReader();
  if (reader.reset(bytes, 0, bytes.length, maxCrlBytes)) walkOuter(reader, bytes.length, out);
  out.error = reader.errorCode;
  out.errorOffset = reader.errorOffset;
  return out;
}

function emptyWalk(): CertificateListWalk {
  return {
    tbsCertListStart: -1,
    tbsCertListEnd: -1,
    version: 1,
    tbsSignatureStart: -1,
    tbsSignatureEnd: -1,
    signatureAlgorithmStart: -1,
    signatureAlgorithmEnd: -1,
    issuerStart: -1,
    issuerEnd: -1,
    thisUpdateSeconds: Number.NaN,
    nextUpdateSeconds: Number.NaN,
    hasEntries: false,
    entriesStart: -1,
    entriesEnd: -1,
    extensionsStart: -1,
    extensionsEnd: -1,
    signatureStart: -1,
    signatureEnd: -1,
    error: undefined,
    errorOffset: -1,
  };
}

function walkOuter(reader: DerReader, end: number, out: CertificateListWalk): boolean {
  const listEnd = reader.open(tags.sequence, end);
  if (listEnd < 0) return false;
  if (listEnd !== end) return reader.fail('trailing-bytes', listEnd);
  out.tbsCertListStart = reader.position;
  const tbsEnd = reader.open(tags.sequence, listEnd);
  out.tbsCertListEnd = tbsEnd;
  if (tbsEnd < 0 || !walkTbs(reader, tbsEnd, out) || !reader.close(tbsEnd)) return false;
  out.signatureAlgorithmStart = reader.position;
  if (!reader.any(listEnd, 1)) return false;
  out.signatureAlgorithmEnd = reader.position;
  if (!reader.wholeBitString(listEnd)) return false;
  out.signatureStart = reader.contentStart;
  out.signatureEnd = reader.contentEnd;
  return reader.close(listEnd);
}

function walkTbs(reader: DerReader, end: number, out: CertificateListWalk): boolean {
  if (reader.peek(end) === tags.integer) {
    const version = reader.smallInteger(end, 1);
    if (version < 0) return false;
    out.version = version + 1;
  }
  out.tbsSignatureStart = reader.position;
  if (!reader.any(end, 1)) return false;
  out.tbsSignatureEnd = reader.position;
  out.issuerStart = reader.position;
  if (reader.peek(end) !== tags.sequence) return reader.fail('unexpected-tag', reader.position);
  if (!reader.any(end, 1)) return false;
  out.issuerEnd = reader.position;
  out.thisUpdateSeconds = time(reader, end);
  if (Number.isNaN(out.thisUpdateSeconds)) return false;
  if (isTime(reader.peek(end))) {
    out.nextUpdateSeconds = time(reader, end);
    if (Number.isNaN(out.nextUpdateSeconds)) return false;
  }
  out.entriesStart = out.entriesEnd = reader.position;
  if (reader.peek(end) === tags.sequence) {
    if (!reader.skip(tags.sequence, end)) return false;
    out.hasEntries = true;
    out.entriesStart = reader.contentStart;
    out.entriesEnd = reader.contentEnd;
  }
  if (reader.position === end) return true;
  const extensionsEnd = reader.open(contextConstructed(0), end);
  if (extensionsEnd < 0) return false;
  out.extensionsStart = reader.position;
  out.extensionsEnd = extensionsEnd;
  return walkExtensions(reader, extensionsEnd) && reader.close(extensionsEnd);
}

/**
 * Calls `visit` with each entry of a list that was walked, until it returns false.
 * @returns what is wrong with the entry that could not be read, else undefined.
 */
export function walkCrlEntries(
  bytes: Uint8Array,
  walk: CertificateListWalk,
  visit: (entry: CrlEntryWalk) => boolean,
): { readonly error: DerErrorCode; readonly errorOffset: number } | undefined {
  const { entriesStart, entriesEnd } = walk;
  const reader = new DerReader();
  const entry: CrlEntryWalk = {
    serialNumberStart: -1,
    serialNumberEnd: -1,
    revocationDateSeconds: Number.NaN,
    extensionsStart: -1,
    extensionsEnd: -1,
  };
  if (!reader.reset(bytes, entriesStart, entriesEnd, maxCrlBytes)) return failureOf(reader);
  while (reader.position < entriesEnd) {
    if (!walkEntry(reader, entriesEnd, entry)) return failureOf(reader);
    if (!visit(entry)) return undefined;
  }
  return undefined;
}

function walkEntry(reader: DerReader, limit: number, out: CrlEntryWalk): boolean {
  const end = reader.open(tags.sequence, limit);
  if (end < 0 || !reader.integer(end)) return false;
  out.serialNumberStart = reader.contentStart;
  out.serialNumberEnd = reader.contentEnd;
  out.revocationDateSeconds = time(reader, end);
  if (Number.isNaN(out.revocationDateSeconds)) return false;
  out.extensionsStart = out.extensionsEnd = -1;
  if (reader.position === end) return true;
  out.extensionsStart = reader.position;
  out.extensionsEnd = end;
  return walkExtensions(reader, end) && reader.close(end);
}

function isTime(tag: number): boolean {
  return tag === tags.utcTime || tag === tags.generalizedTime;
}

/** Epoch seconds, or NaN with the reader's error set. */
function time(reader: DerReader, limit: number): number {
  const tag = reader.peek(limit);
  if (!isTime(tag)) {
    reader.fail(tag < 0 ? 'truncated' : 'unexpected-tag', reader.position);
    return Number.NaN;
  }
  if (!reader.skip(tag, limit)) return Number.NaN;
  const { bytes, contentStart, contentEnd } = reader;
  const seconds = readTimeContent(bytes, tag, contentStart, contentEnd);
  if (Number.isNaN(seconds)) reader.fail('bad-time', reader.elementStart);
  return seconds;
}

function failureOf(reader: DerReader) {
  return { error: reader.errorCode ?? 'truncated', errorOffset: reader.errorOffset } as const;
}
