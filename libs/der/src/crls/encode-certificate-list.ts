import { BackwardWriter } from '../encoding/backward-writer.js';
import { type CrlExtensions, crlExtensionsDer } from './crl-extensions.js';
import {
  concatBytes,
  encodeInteger,
  encodeOid,
  encodeTime,
  encodeTlv,
  lengthOctets,
} from '../encoding/der-encode.js';
import { CertmillDerError } from '../encoding/der-error.js';
import {
  GENERALIZED_TIME_OCTETS,
  isUtcTimeYear,
  UTC_TIME_OCTETS,
  writeGeneralizedTimeContent,
} from '../encoding/der-time.js';
import {
  CERTIFICATE_HEAD_ROOM,
  finishCertificate,
  signatureRoom,
} from '../certificates/finish-certificate.js';
import { oids } from '../encoding/oids.js';
import type { RevokedEntries } from './revoked-entries.js';
import { contextConstructed, tags } from '../encoding/tags.js';

export interface TbsCertListFields {
  /** The AlgorithmIdentifier of the signature. */
  readonly signatureAlgorithm: Uint8Array;
  /** The issuer's subject Name element, byte for byte (RFC 5280 5.1.2.3). */
  readonly issuerNameDer: Uint8Array;
  readonly thisUpdateSeconds: number;
  readonly nextUpdateSeconds: number;
  readonly entries: RevokedEntries;
  readonly extensions: CrlExtensions;
}

/** A TBSCertList in a buffer of its size, with room for what becomes a CertificateList. */
export interface WrittenTbsCertList {
  readonly out: Uint8Array;
  readonly start: number;
  readonly end: number;
}

// Extension elements of an entry, which differ in their last octets only.
const reasonOctets = 1;
const reasonHead = entryExtensionHead(oids.id_ce_cRLReasons, tags.enumerated, reasonOctets);
const invalidityHead = entryExtensionHead(
  oids.id_ce_invalidityDate,
  tags.generalizedTime,
  GENERALIZED_TIME_OCTETS,
);

/** All of an Extension but the content of its value, which is a primitive of `octets`. */
function entryExtensionHead(oid: string, tag: number, octets: number): Uint8Array {
  const value = encodeTlv(tags.octetString, encodeTlv(tag, new Uint8Array(octets)));
  const element = encodeTlv(tags.sequence, encodeOid(oid), value);
  return element.subarray(0, element.length - octets);
}

/**
 * Writes `TBSCertList ::= SEQUENCE { version v2, signature, issuer, thisUpdate, nextUpdate,
 * revokedCertificates OPTIONAL, crlExtensions [0] }` (RFC 5280 5.1) into one buffer of the right
 * size: 8 octets before it and `after` octets behind it are free, for `finishCertificate`.
 */
export function writeTbsCertList(fields: TbsCertListFields, after: number): WrittenTbsCertList {
  if (fields.nextUpdateSeconds <= fields.thisUpdateSeconds) {
    throw new CertmillDerError('argument-invalid', 'nextUpdate lies after thisUpdate');
  }
  const { entries } = fields;
  const head = concatBytes([
    encodeInteger(1),
    fields.signatureAlgorithm,
    fields.issuerNameDer,
    encodeTime(fields.thisUpdateSeconds),
    encodeTime(fields.nextUpdateSeconds),
  ]);
  const tail = encodeTlv(
    contextConstructed(0),
    encodeTlv(tags.sequence, ...crlExtensionsDer(fields.extensions)),
  );
  const entriesOctets = sizeOfEntries(entries);
  // Without entries the element MUST be absent (RFC 5280 5.1.2.6).
  const list = entries.length === 0 ? 0 : elementOctets(entriesOctets);
  const total = elementOctets(head.length + list + tail.length);
  const start = CERTIFICATE_HEAD_ROOM;
  const end = start + total;
  const out = new Uint8Array(end + after);
  const writer = new BackwardWriter();
  writer.reset(out, end, start);
  writer.bytes(tail, 0, tail.length);
  if (entries.length > 0) writeEntries(writer, entries);
  writer.bytes(head, 0, head.length);
  writer.header(tags.sequence, end);
  return { out, start: writer.position, end };
}

/**
 * `CertificateList ::= SEQUENCE { tbsCertList, signatureAlgorithm, signatureValue }` (RFC 5280 5.1).
 * `sign` gets the TBSCertList and gives what goes into the BIT STRING, `maxSignatureOctets` at most.
 */
export function encodeCertificateList(
  fields: TbsCertListFields & {
    readonly maxSignatureOctets: number;
    readonly sign: (tbsCertListDer: Uint8Array) => Uint8Array;
  },
): Uint8Array {
  const { signatureAlgorithm, maxSignatureOctets } = fields;
  const room = signatureRoom(signatureAlgorithm, maxSignatureOctets);
  const { out, start, end } = writeTbsCertList(fields, room);
  const signature = fields.sign(out.subarray(start, end));
  const range = finishCertificate(out, start, end, signatureAlgorithm, signature);
  return out.subarray(range.start, range.end);
}

function elementOctets(contentOctets: number): number {
  return 1 + lengthOctets(contentOctets) + contentOctets;
}

function sizeOfEntries(entries: RevokedEntries): number {
  let octets = 0;
  for (let index = 0; index < entries.length; index += 1) octets += sizeOfEntry(entries, index);
  return octets;
}

/** No entry is longer than 127 octets: each header is of 2. */
function sizeOfEntry(entries: RevokedEntries, index: number): number {
  const extensions = sizeOfEntryExtensions(entries, index);
  return (
    2 +
    (2 + integerOctets(entries, index)) +
    (2 + timeOctets(entries.revocationSeconds(index))) +
    (extensions === 0 ? 0 : 2 + extensions)
  );
}

function sizeOfEntryExtensions(entries: RevokedEntries, index: number): number {
  return (
    (entries.reason(index) === 0 ? 0 : reasonHead.length + reasonOctets) +
    (entries.invaliditySeconds(index) < 0 ? 0 : invalidityHead.length + GENERALIZED_TIME_OCTETS)
  );
}

function timeOctets(epochSeconds: number): number {
  return isUtcTimeYear(epochSeconds) ? UTC_TIME_OCTETS : GENERALIZED_TIME_OCTETS;
}

/** Content octets of the serial number as an INTEGER: what `positiveInteger` writes. */
function integerOctets(entries: RevokedEntries, index: number): number {
  const { bytes } = entries;
  const start = entries.serialStart(index);
  const end = start + entries.serialOctets(index);
  let first = start;
  while (first < end && bytes[first] === 0) first += 1;
  return end - first + ((bytes[first] as number) >= 0x80 ? 1 : 0);
}

function writeEntries(writer: BackwardWriter, entries: RevokedEntries): void {
  const { bytes } = entries;
  const listEnd = writer.position;
  for (let index = entries.length - 1; index >= 0; index -= 1) {
    const entryEnd = writer.position;
    if (sizeOfEntryExtensions(entries, index) > 0) writeEntryExtensions(writer, entries, index);
    writer.time(entries.revocationSeconds(index));
    const serialStart = entries.serialStart(index);
    const serialEnd = serialStart + entries.serialOctets(index);
    writer.positiveInteger(bytes, serialStart, serialEnd, serialEnd - serialStart + 1);
    writer.header(tags.sequence, entryEnd);
  }
  writer.header(tags.sequence, listEnd);
}

/** reasonCode, then invalidityDate: backwards. */
function writeEntryExtensions(
  writer: BackwardWriter,
  entries: RevokedEntries,
  index: number,
): void {
  const contentEnd = writer.position;
  const invalidity = entries.invaliditySeconds(index);
  if (invalidity >= 0) {
    writeGeneralizedTimeContent(writer.out, writer.claim(GENERALIZED_TIME_OCTETS), invalidity);
    writer.bytes(invalidityHead, 0, invalidityHead.length);
  }
  const reason = entries.reason(index);
  if (reason !== 0) {
    writer.out[writer.claim(reasonOctets)] = reason;
    writer.bytes(reasonHead, 0, reasonHead.length);
  }
  writer.header(tags.sequence, contentEnd);
}
