import { encodeSequence, encodeTlv } from '../encoding/der-encode.js';
import { CertmillDerError, type DerResult } from '../encoding/der-error.js';
import { decodeOid, DerReader } from '../encoding/der-reader.js';
import { decodeAscii } from '../encoding/der-string.js';
import { contextConstructed, contextPrimitive, tags } from '../encoding/tags.js';
import { fixed, type TemplateNode } from '../template/template-node.js';

/** `GeneralSubtree` (RFC 5280 4.2.1.10): minimum 0 and no maximum, as the profile there has it. */
export type GeneralSubtree =
  | {
      readonly kind: 'dNSName' | 'rfc822Name' | 'uniformResourceIdentifier';
      readonly value: string;
    }
  /** The address, then its mask: 8 octets of IPv4, 32 of IPv6. */
  | { readonly kind: 'iPAddress'; readonly octets: Uint8Array }
  /** The Name element. */
  | { readonly kind: 'directoryName'; readonly nameDer: Uint8Array }
  | { readonly kind: 'otherName'; readonly typeId: string }
  | { readonly kind: 'x400Address' | 'ediPartyName' | 'registeredID' };

/** The forms that can be written. */
export type WritableSubtree = Extract<
  GeneralSubtree,
  {
    readonly kind:
      'dNSName' | 'rfc822Name' | 'uniformResourceIdentifier' | 'iPAddress' | 'directoryName';
  }
>;

/** `NameConstraints ::= SEQUENCE { permittedSubtrees [0], excludedSubtrees [1] }`. */
export interface NameConstraints<Subtree extends GeneralSubtree = GeneralSubtree> {
  readonly permitted: readonly Subtree[];
  readonly excluded: readonly Subtree[];
}

/** More subtrees are refused: each is compared with each name of each certificate. */
export const MAX_SUBTREES = 256;

const textTags = { rfc822Name: 1, dNSName: 2, uniformResourceIdentifier: 6 } as const;

/** The value of a nameConstraints extension; at least one subtree is needed. */
export function nameConstraints(constraints: NameConstraints<WritableSubtree>): TemplateNode {
  const { permitted, excluded } = constraints;
  if (permitted.length + excluded.length === 0) {
    throw new CertmillDerError('argument-invalid', 'nameConstraints needs a subtree');
  }
  const list = (number: number, subtrees: readonly WritableSubtree[]): Uint8Array[] =>
    subtrees.length === 0
      ? []
      : [encodeTlv(contextConstructed(number), ...subtrees.map(encodeSubtree))];
  return fixed(encodeSequence(...list(0, permitted), ...list(1, excluded)));
}

function encodeSubtree(subtree: WritableSubtree): Uint8Array {
  switch (subtree.kind) {
    case 'iPAddress':
      if (!isAddressRange(subtree.octets.length)) {
        throw new CertmillDerError(
          'argument-invalid',
          'an address and its mask have 8 or 32 octets',
        );
      }
      return encodeSequence(encodeTlv(contextPrimitive(7), subtree.octets));
    case 'directoryName':
      return encodeSequence(encodeTlv(contextConstructed(4), subtree.nameDer));
    case 'dNSName':
    case 'rfc822Name':
    case 'uniformResourceIdentifier':
      if (!/^[\x21-\x7e]*$/.test(subtree.value)) {
        throw new CertmillDerError(
          'argument-invalid',
          `a ${subtree.kind} has printable ASCII only`,
        );
      }
      return encodeSequence(
        encodeTlv(contextPrimitive(textTags[subtree.kind]), Buffer.from(subtree.value, 'ascii')),
      );
  }
}

function isAddressRange(octets: number): boolean {
  return octets === 8 || octets === 32;
}

/** Reads the value of nameConstraints that fills `bytes[start, end)`; byte arrays are copies. */
export function readNameConstraints(
  bytes: Uint8Array,
  start: number,
  end: number,
): DerResult<NameConstraints> {
  const reader = new DerReader();
  const permitted: GeneralSubtree[] = [];
  const excluded: GeneralSubtree[] = [];
  if (!reader.reset(bytes, start, end)) return reader.failure();
  const contentEnd = reader.open(tags.sequence, end);
  if (contentEnd < 0) return reader.failure();
  const isRead =
    readSubtrees(reader, contentEnd, 0, permitted) &&
    readSubtrees(reader, contentEnd, 1, excluded) &&
    reader.close(contentEnd) &&
    reader.close(end);
  if (!isRead) return reader.failure();
  if (permitted.length + excluded.length === 0) {
    reader.fail('empty-set', start);
    return reader.failure();
  }
  return { ok: true, value: { permitted, excluded } };
}

function readSubtrees(
  reader: DerReader,
  limit: number,
  number: number,
  out: GeneralSubtree[],
): boolean {
  if (reader.position === limit || reader.peek(limit) !== contextConstructed(number)) return true;
  const start = reader.position;
  const end = reader.open(contextConstructed(number), limit);
  if (end < 0) return false;
  if (reader.position === end) return reader.fail('empty-set', start);
  while (reader.position < end) {
    if (out.length === MAX_SUBTREES) return reader.fail('too-large', start);
    const subtreeEnd = reader.open(tags.sequence, end);
    const base = subtreeEnd < 0 ? undefined : readBase(reader, subtreeEnd);
    // Minimum is 0 and maximum absent in the Internet profile; anything else is a limit unknown to us.
    if (base === undefined || !reader.close(subtreeEnd)) return false;
    out.push(base);
  }
  return true;
}

function readBase(reader: DerReader, limit: number): GeneralSubtree | undefined {
  const elementStart = reader.position;
  if (!reader.header(limit)) return undefined;
  const { tag, contentStart, contentEnd, bytes } = reader;
  switch (tag) {
    case contextPrimitive(1):
      return textOf(reader, 'rfc822Name');
    case contextPrimitive(2):
      return textOf(reader, 'dNSName');
    case contextPrimitive(6):
      return textOf(reader, 'uniformResourceIdentifier');
    case contextPrimitive(7):
      reader.position = contentEnd;
      if (isAddressRange(contentEnd - contentStart)) {
        return { kind: 'iPAddress', octets: bytes.slice(contentStart, contentEnd) };
      }
      reader.fail('bad-ip-address', elementStart);
      return undefined;
    case contextConstructed(4):
      reader.position = contentStart;
      return reader.any(contentEnd, 2) && reader.close(contentEnd)
        ? { kind: 'directoryName', nameDer: bytes.slice(contentStart, contentEnd) }
        : undefined;
    case contextConstructed(0): {
      reader.position = contentStart;
      if (!reader.objectIdentifier(contentEnd)) return undefined;
      const typeId = decodeOid(bytes, reader.contentStart, reader.contentEnd);
      reader.position = contentEnd;
      return { kind: 'otherName', typeId };
    }
    case contextConstructed(3):
    case contextConstructed(5):
    case contextPrimitive(8):
      reader.position = contentEnd;
      return { kind: otherForms[(tag & 0x1f) as keyof typeof otherForms] };
    default:
      reader.fail('bad-general-name', elementStart);
      return undefined;
  }
}

const otherForms = { 3: 'x400Address', 5: 'ediPartyName', 8: 'registeredID' } as const;

function textOf(
  reader: DerReader,
  kind: 'rfc822Name' | 'dNSName' | 'uniformResourceIdentifier',
): GeneralSubtree | undefined {
  const { contentStart, contentEnd, elementStart } = reader;
  reader.position = contentEnd;
  const value = decodeAscii(reader.bytes, contentStart, contentEnd);
  if (value !== undefined) return { kind, value };
  reader.fail('bad-string', elementStart);
  return undefined;
}
