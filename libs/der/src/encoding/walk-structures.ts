import { type DerReader } from './der-reader.js';
import { contextConstructed, tags } from './tags.js';

/**
 * `Name ::= SEQUENCE OF SET SIZE (1..MAX) OF SEQUENCE { type OBJECT IDENTIFIER, value ANY }`
 * (RFC 5280 4.1.2.4): structure only, `readName` decodes the strings. A multi-valued RDN has to be
 * in DER order, because the name can end up in a certificate.
 */
export function walkName(reader: DerReader, limit: number, depth: number): boolean {
  const end = reader.open(tags.sequence, limit);
  if (end < 0) return false;
  while (reader.position < end) {
    const rdnStart = reader.position;
    const rdnEnd = reader.open(tags.set, end);
    if (rdnEnd < 0) return false;
    if (reader.position === rdnEnd) return reader.fail('empty-set', rdnStart);
    let previousStart = -1;
    while (reader.position < rdnEnd) {
      const start = reader.position;
      const attributeEnd = reader.open(tags.sequence, rdnEnd);
      if (attributeEnd < 0 || !reader.objectIdentifier(attributeEnd)) return false;
      if (!reader.any(attributeEnd, depth + 3) || !reader.close(attributeEnd)) return false;
      if (previousStart >= 0 && !isSorted(reader.bytes, previousStart, start, attributeEnd)) {
        return reader.fail('set-not-sorted', start);
      }
      previousStart = start;
    }
  }
  return true;
}

/** Whether the element `[left, right)` may come before the element `[right, end)` in a SET OF. */
function isSorted(bytes: Uint8Array, left: number, right: number, end: number): boolean {
  for (let offset = 0; left + offset < right && right + offset < end; offset += 1) {
    const difference = (bytes[left + offset] as number) - (bytes[right + offset] as number);
    if (difference !== 0) return difference < 0;
  }
  return true;
}

/** What `walkExtension` found: the ranges of one Extension. */
export interface ExtensionRange {
  oidStart: number;
  oidEnd: number;
  critical: boolean;
  valueStart: number;
  valueEnd: number;
}

/**
 * `Extension ::= SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE, extnValue
 * OCTET STRING }` (RFC 5280 4.1). A `critical` FALSE that is written out is BER; it is accepted,
 * because encoders send it (mbed TLS tests with such a request), and it never reaches a
 * certificate.
 */
export function walkExtension(reader: DerReader, limit: number, out: ExtensionRange): boolean {
  const end = reader.open(tags.sequence, limit);
  if (end < 0 || !reader.objectIdentifier(end)) return false;
  out.oidStart = reader.contentStart;
  out.oidEnd = reader.contentEnd;
  out.critical = false;
  if (reader.peek(end) === tags.boolean) {
    const critical = reader.boolean(end);
    if (critical < 0) return false;
    out.critical = critical === 1;
  }
  if (!reader.skip(tags.octetString, end)) return false;
  out.valueStart = reader.contentStart;
  out.valueEnd = reader.contentEnd;
  return reader.close(end);
}

const ignoredExtension: ExtensionRange = {
  oidStart: 0,
  oidEnd: 0,
  critical: false,
  valueStart: 0,
  valueEnd: 0,
};

/** `Extensions ::= SEQUENCE OF Extension`: structure only, `readExtensions` finds duplicates. */
export function walkExtensions(reader: DerReader, limit: number): boolean {
  const end = reader.open(tags.sequence, limit);
  if (end < 0) return false;
  while (reader.position < end) {
    if (!walkExtension(reader, end, ignoredExtension)) return false;
  }
  return true;
}

/** Whether the next element is `[number]`, constructed. */
export function isNextContext(reader: DerReader, limit: number, number: number): boolean {
  return reader.peek(limit) === contextConstructed(number);
}
