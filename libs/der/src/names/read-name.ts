import type { DerResult } from '../encoding/der-error.js';
import { decodeOid, DerReader } from '../encoding/der-reader.js';
import { decodeString, hasControlCharacters, isStringTag } from '../encoding/der-string.js';
import { tags } from '../encoding/tags.js';

/** One AttributeTypeAndValue; offsets are those of the value's content in the caller's buffer. */
export interface NameAttribute {
  readonly oid: string;
  /** The identifier octet of the value: a string type of `tags`, or anything else. */
  readonly tag: number;
  /** The decoded string; for a value that is no string, `#` and its DER in hex (RFC 4514 2.4). */
  readonly value: string;
  readonly valueStart: number;
  readonly valueEnd: number;
  /** Legal in most string types, but wanted in no certificate: policy decides. */
  readonly hasControlCharacters: boolean;
}

/** In the order of the encoding; an RDN has one attribute unless it is multi-valued. */
export type DecodedName = readonly (readonly NameAttribute[])[];

/** Decodes the Name element that fills `bytes[start, end)` (RFC 5280 4.1.2.4). */
export function readName(bytes: Uint8Array, start: number, end: number): DerResult<DecodedName> {
  const reader = new DerReader();
  const rdns: NameAttribute[][] = [];
  const isRead =
    reader.reset(bytes, start, end) && readRdns(reader, end, rdns) && reader.close(end);
  return isRead ? { ok: true, value: rdns } : reader.failure();
}

/** Reads a Name at the reader's position, which moves behind it. */
export function readRdns(reader: DerReader, limit: number, out: NameAttribute[][]): boolean {
  const end = reader.open(tags.sequence, limit);
  if (end < 0) return false;
  while (reader.position < end) {
    const rdnStart = reader.position;
    const rdnEnd = reader.open(tags.set, end);
    if (rdnEnd < 0) return false;
    if (reader.position === rdnEnd) return reader.fail('empty-set', rdnStart);
    const attributes: NameAttribute[] = [];
    while (reader.position < rdnEnd) {
      const attribute = readAttribute(reader, rdnEnd);
      if (attribute === undefined) return false;
      attributes.push(attribute);
    }
    out.push(attributes);
  }
  return true;
}

function readAttribute(reader: DerReader, limit: number): NameAttribute | undefined {
  const end = reader.open(tags.sequence, limit);
  if (end < 0 || !reader.objectIdentifier(end)) return undefined;
  const oid = decodeOid(reader.bytes, reader.contentStart, reader.contentEnd);
  const elementStart = reader.position;
  if (!reader.any(end, 5) || !reader.close(end)) return undefined;
  // `any` has been through all that the value holds; look at its own header again.
  reader.position = elementStart;
  if (!reader.header(end)) return undefined;
  reader.position = end;
  const { tag, contentStart: valueStart, contentEnd: valueEnd } = reader;
  if (!isStringTag(tag)) {
    const der = Buffer.from(reader.bytes.subarray(elementStart, end));
    const value = `#${der.toString('hex')}`;
    return { oid, tag, value, valueStart, valueEnd, hasControlCharacters: false };
  }
  const value = decodeString(reader.bytes, tag, valueStart, valueEnd);
  if (value === undefined) {
    reader.fail('bad-string', elementStart);
    return undefined;
  }
  const isControlled = hasControlCharacters(value);
  return { oid, tag, value, valueStart, valueEnd, hasControlCharacters: isControlled };
}
