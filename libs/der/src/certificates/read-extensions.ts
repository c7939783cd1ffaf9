import { type KeyUsageName, keyUsageNames } from './certificate-nodes.js';
import type { DerResult } from '../encoding/der-error.js';
import { decodeOid, DerReader } from '../encoding/der-reader.js';
import { tags } from '../encoding/tags.js';
import { type ExtensionRange, walkExtension } from '../encoding/walk-structures.js';

/** One Extension; offsets are those of the content of extnValue in the caller's buffer. */
export interface DecodedExtension {
  readonly oid: string;
  readonly critical: boolean;
  readonly valueStart: number;
  readonly valueEnd: number;
}

/** More extensions than this are refused: each is compared with those before it. */
const MAX_EXTENSIONS = 128;

/**
 * Reads the Extensions element that fills `bytes[start, end)` (RFC 5280 4.1). An extension that
 * occurs twice is refused (4.2); an empty list, which asks for nothing, is accepted.
 */
export function readExtensions(
  bytes: Uint8Array,
  start: number,
  end: number,
): DerResult<readonly DecodedExtension[]> {
  const reader = new DerReader();
  const extensions: DecodedExtension[] = [];
  const isRead = reader.reset(bytes, start, end) && readAll(reader, end, extensions);
  return isRead ? { ok: true, value: extensions } : reader.failure();
}

function readAll(reader: DerReader, limit: number, out: DecodedExtension[]): boolean {
  const end = reader.open(tags.sequence, limit);
  if (end < 0) return false;
  const range: ExtensionRange = {
    oidStart: 0,
    oidEnd: 0,
    critical: false,
    valueStart: 0,
    valueEnd: 0,
  };
  while (reader.position < end) {
    const start = reader.position;
    if (out.length === MAX_EXTENSIONS) return reader.fail('too-large', start);
    if (!walkExtension(reader, end, range)) return false;
    const oid = decodeOid(reader.bytes, range.oidStart, range.oidEnd);
    if (out.some((other) => other.oid === oid)) return reader.fail('duplicate-extension', start);
    const { critical, valueStart, valueEnd } = range;
    out.push({ oid, critical, valueStart, valueEnd });
  }
  return reader.close(limit);
}

/**
 * Reads the value of keyUsage (RFC 5280 4.2.1.3). Trailing zero bits, which DER would leave out,
 * are accepted: mbed TLS before its mbedtls_asn1_write_named_bitstring sent seven bits always.
 */
export function readKeyUsage(
  bytes: Uint8Array,
  start: number,
  end: number,
): DerResult<readonly KeyUsageName[]> {
  const reader = new DerReader();
  const isRead =
    reader.reset(bytes, start, end) &&
    reader.skip(tags.bitString, end) &&
    reader.checkBitString() &&
    reader.close(end);
  if (!isRead) return reader.failure();
  const usages = keyUsageNames.filter((_, bit) => {
    const offset = reader.contentStart + 1 + (bit >> 3);
    return offset < reader.contentEnd && (reader.octet(offset) & (0x80 >> (bit & 7))) !== 0;
  });
  return { ok: true, value: usages };
}

export interface BasicConstraints {
  readonly cA: boolean;
  readonly pathLenConstraint: number | undefined;
}

// A longer path cannot exist; the limit only keeps the number small.
const MAX_PATH_LENGTH = 0xffff;

/**
 * Reads the value of basicConstraints (RFC 5280 4.2.1.9). `cA` FALSE that is written out is BER; it
 * is accepted, as `critical` FALSE is.
 */
export function readBasicConstraints(
  bytes: Uint8Array,
  start: number,
  end: number,
): DerResult<BasicConstraints> {
  const reader = new DerReader();
  if (!reader.reset(bytes, start, end) || reader.open(tags.sequence, end) < 0) {
    return reader.failure();
  }
  const contentEnd = reader.contentEnd;
  let cA = false;
  let pathLenConstraint: number | undefined;
  if (reader.peek(contentEnd) === tags.boolean) {
    const value = reader.boolean(contentEnd);
    if (value < 0) return reader.failure();
    cA = value === 1;
  }
  if (reader.position < contentEnd) {
    pathLenConstraint = reader.smallInteger(contentEnd, MAX_PATH_LENGTH);
    if (pathLenConstraint < 0) return reader.failure();
  }
  return reader.close(contentEnd) && reader.close(end)
    ? { ok: true, value: { cA, pathLenConstraint } }
    : reader.failure();
}

/** Reads the value of extKeyUsage (RFC 5280 4.2.1.12) as dotted OIDs. */
export function readExtKeyUsage(
  bytes: Uint8Array,
  start: number,
  end: number,
): DerResult<readonly string[]> {
  return readSequenceOf(bytes, start, end, readOid);
}

/** Reads the value of certificatePolicies (RFC 5280 4.2.1.4) as dotted OIDs; qualifiers are passed over. */
export function readCertificatePolicies(
  bytes: Uint8Array,
  start: number,
  end: number,
): DerResult<readonly string[]> {
  return readSequenceOf(bytes, start, end, (reader, limit) => {
    const policyEnd = reader.open(tags.sequence, limit);
    const policy = policyEnd < 0 ? undefined : readOid(reader, policyEnd);
    if (policy === undefined) return undefined;
    if (reader.position < policyEnd && !reader.any(policyEnd, 2)) return undefined;
    return reader.close(policyEnd) ? policy : undefined;
  });
}

function readOid(reader: DerReader, limit: number): string | undefined {
  if (!reader.objectIdentifier(limit)) return undefined;
  return decodeOid(reader.bytes, reader.contentStart, reader.contentEnd);
}

/** SEQUENCE SIZE (1..MAX) OF; an element is undefined where the reader has failed. */
function readSequenceOf<T>(
  bytes: Uint8Array,
  start: number,
  end: number,
  readElement: (reader: DerReader, limit: number) => T | undefined,
): DerResult<readonly T[]> {
  const reader = new DerReader();
  const elements: T[] = [];
  if (!reader.reset(bytes, start, end)) return reader.failure();
  const contentEnd = reader.open(tags.sequence, end);
  if (contentEnd < 0) return reader.failure();
  if (reader.position === contentEnd) {
    reader.fail('empty-set', start);
    return reader.failure();
  }
  while (reader.position < contentEnd) {
    const element = readElement(reader, contentEnd);
    if (element === undefined) return reader.failure();
    elements.push(element);
  }
  return reader.close(end) ? { ok: true, value: elements } : reader.failure();
}
