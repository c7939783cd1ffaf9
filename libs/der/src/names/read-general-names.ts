import { encodeOidContent } from '../encoding/der-encode.js';
import type { DerResult } from '../encoding/der-error.js';
import { decodeOid, DerReader } from '../encoding/der-reader.js';
import { decodeAscii } from '../encoding/der-string.js';
import { oids } from '../encoding/oids.js';
import { type DecodedName, type NameAttribute, readRdns } from './read-name.js';
import { contextConstructed, contextPrimitive, tags } from '../encoding/tags.js';

interface NameRange {
  /** Content of the GeneralName (or, for otherName, of its value) in the caller's buffer. */
  readonly valueStart: number;
  readonly valueEnd: number;
}

/** `GeneralName` (RFC 5280 4.2.1.6), with hardwareModuleName (RFC 4108 5) told apart. */
export type GeneralName =
  | (NameRange & {
      readonly kind: 'rfc822Name' | 'dNSName' | 'uniformResourceIdentifier';
      readonly value: string;
    })
  | (NameRange & { readonly kind: 'iPAddress' })
  | (NameRange & { readonly kind: 'registeredID'; readonly oid: string })
  | (NameRange & { readonly kind: 'directoryName'; readonly name: DecodedName })
  | (NameRange & { readonly kind: 'otherName'; readonly typeId: string })
  | (NameRange & {
      readonly kind: 'hardwareModuleName';
      readonly hwType: string;
      readonly hwSerialNumStart: number;
      readonly hwSerialNumEnd: number;
    })
  | (NameRange & { readonly kind: 'x400Address' | 'ediPartyName' });

const hardwareModuleName = encodeOidContent(oids.id_on_hardwareModuleName);

/** Decodes the GeneralNames element that fills `bytes[start, end)`: the value of a SAN. */
export function readGeneralNames(
  bytes: Uint8Array,
  start: number,
  end: number,
): DerResult<readonly GeneralName[]> {
  const reader = new DerReader();
  const names: GeneralName[] = [];
  const isRead = reader.reset(bytes, start, end) && readNames(reader, end, names);
  return isRead ? { ok: true, value: names } : reader.failure();
}

function readNames(reader: DerReader, limit: number, out: GeneralName[]): boolean {
  const start = reader.position;
  const end = reader.open(tags.sequence, limit);
  if (end < 0) return false;
  // RFC 5280 4.2.1.6: GeneralNames ::= SEQUENCE SIZE (1..MAX).
  if (reader.position === end) return reader.fail('empty-set', start);
  while (reader.position < end) {
    const name = readGeneralName(reader, end);
    if (name === undefined) return false;
    out.push(name);
  }
  return reader.close(limit);
}

function readGeneralName(reader: DerReader, limit: number): GeneralName | undefined {
  const elementStart = reader.position;
  if (!reader.header(limit)) return undefined;
  const { tag, contentStart: valueStart, contentEnd: valueEnd } = reader;
  switch (tag) {
    case contextConstructed(0):
      reader.position = valueStart;
      return readOtherName(reader, valueEnd);
    case contextPrimitive(1):
      return readText(reader, 'rfc822Name');
    case contextPrimitive(2):
      return readText(reader, 'dNSName');
    case contextPrimitive(6):
      return readText(reader, 'uniformResourceIdentifier');
    case contextPrimitive(7):
      reader.position = valueEnd;
      if (valueEnd - valueStart === 4 || valueEnd - valueStart === 16) {
        return { kind: 'iPAddress', valueStart, valueEnd };
      }
      reader.fail('bad-ip-address', elementStart);
      return undefined;
    case contextConstructed(4): {
      const name: NameAttribute[][] = [];
      reader.position = valueStart;
      return readRdns(reader, valueEnd, name) && reader.close(valueEnd)
        ? { kind: 'directoryName', name, valueStart, valueEnd }
        : undefined;
    }
    case contextPrimitive(8):
      if (!reader.implicitObjectIdentifier()) return undefined;
      return {
        kind: 'registeredID',
        oid: decodeOid(reader.bytes, valueStart, valueEnd),
        valueStart,
        valueEnd,
      };
    case contextConstructed(3):
    case contextConstructed(5):
      if (!reader.any(limit, 2)) return undefined;
      return {
        kind: tag === contextConstructed(3) ? 'x400Address' : 'ediPartyName',
        valueStart,
        valueEnd,
      };
    default:
      reader.fail('bad-general-name', elementStart);
      return undefined;
  }
}

function readText(
  reader: DerReader,
  kind: 'rfc822Name' | 'dNSName' | 'uniformResourceIdentifier',
): GeneralName | undefined {
  const { contentStart: valueStart, contentEnd: valueEnd } = reader;
  reader.position = valueEnd;
  const value = decodeAscii(reader.bytes, valueStart, valueEnd);
  if (value !== undefined) return { kind, value, valueStart, valueEnd };
  reader.fail('bad-string', reader.elementStart);
  return undefined;
}

/** `OtherName ::= SEQUENCE { type-id OBJECT IDENTIFIER, value [0] EXPLICIT ANY }`. */
function readOtherName(reader: DerReader, end: number): GeneralName | undefined {
  if (!reader.objectIdentifier(end)) return undefined;
  const isHardwareModuleName = reader.contentIs(hardwareModuleName);
  const typeId = decodeOid(reader.bytes, reader.contentStart, reader.contentEnd);
  const valueEnd = reader.open(contextConstructed(0), end);
  if (valueEnd < 0) return undefined;
  const valueStart = reader.position;
  if (!reader.any(valueEnd, 4) || !reader.close(valueEnd) || !reader.close(end)) return undefined;
  if (!isHardwareModuleName) return { kind: 'otherName', typeId, valueStart, valueEnd };

  reader.position = valueStart;
  const nameEnd = reader.open(tags.sequence, valueEnd);
  if (nameEnd < 0 || !reader.objectIdentifier(nameEnd)) return undefined;
  const hwType = decodeOid(reader.bytes, reader.contentStart, reader.contentEnd);
  if (!reader.skip(tags.octetString, nameEnd) || !reader.close(nameEnd)) return undefined;
  const { contentStart: hwSerialNumStart, contentEnd: hwSerialNumEnd } = reader;
  reader.position = end;
  return {
    kind: 'hardwareModuleName',
    hwType,
    hwSerialNumStart,
    hwSerialNumEnd,
    valueStart,
    valueEnd,
  };
}
