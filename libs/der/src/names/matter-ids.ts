import { oids } from '../encoding/oids.js';
import { type DecodedName, readName } from './read-name.js';
import { tags } from '../encoding/tags.js';

/** An attribute of a Name, its value as it is encoded. */
export interface EncodedAttribute {
  readonly oid: string;
  readonly value: { readonly tag: number; readonly content: Uint8Array };
}

/** Vendor and product id of a Name of Matter's attestation certificates. */
export interface MatterIds {
  /** Four upper-case hex digits; undefined where the Name has none. */
  readonly vendorId: string | undefined;
  readonly productId: string | undefined;
  /** What is wrong with how they are written, a sentence each. */
  readonly problems: readonly string[];
}

interface MatterIdKind {
  readonly name: string;
  readonly oid: string;
  /** What stands before the digits in a commonName. */
  readonly prefix: string;
}

const vendorId: MatterIdKind = {
  name: 'vendor id',
  oid: oids.matter_at_vendorId,
  prefix: 'Mvid:',
};
const productId: MatterIdKind = {
  name: 'product id',
  oid: oids.matter_at_productId,
  prefix: 'Mpid:',
};

const fourDigits = /^[0-9A-F]{4}$/;
/** RFC 5280 A.1, ub-common-name: what stands behind it in a commonName is not looked at. */
const maxCommonNameOctets = 64;

/** Whether an attribute is Matter's own for a vendor or product id. */
export function isMatterId({ oid }: EncodedAttribute): boolean {
  return oid === vendorId.oid || oid === productId.oid;
}

/**
 * Reads vendor and product id (Matter Core Specification 6.2.2.2). A Name with either of Matter's
 * own attributes has both there or nowhere: its commonName is not looked at. One without has them in
 * its first commonName that has any, each behind a prefix of its own, wherever that stands.
 */
export function matterIdsOf(attributes: readonly EncodedAttribute[]): MatterIds {
  if (attributes.some(isMatterId)) {
    return idsOf((kind) => fromAttributes(attributes, kind));
  }
  for (const { oid, value } of attributes) {
    if (oid !== oids.id_at_commonName) continue;
    const text = latin1(value.content).slice(0, maxCommonNameOctets);
    const ids = idsOf((kind) => fromCommonName(text, kind));
    if (ids.vendorId ?? ids.productId ?? ids.problems[0]) return ids;
  }
  return { vendorId: undefined, productId: undefined, problems: [] };
}

/** The same of the Name element that fills `nameDer`; of one that cannot be read, that it cannot. */
export function matterIdsInName(nameDer: Uint8Array): MatterIds {
  const name = readName(nameDer, 0, nameDer.length);
  if (name.ok) return matterIdsOf(encodedAttributes(name.value, nameDer));
  return { vendorId: undefined, productId: undefined, problems: ['the name cannot be read'] };
}

/** @param bytes what the offsets of the name are in. */
export function encodedAttributes(
  name: DecodedName,
  bytes: Uint8Array,
): readonly EncodedAttribute[] {
  return name.flat().map(({ oid, tag, valueStart, valueEnd }) => ({
    oid,
    value: { tag, content: bytes.subarray(valueStart, valueEnd) },
  }));
}

interface FoundId {
  readonly value?: string | undefined;
  readonly problem?: string | undefined;
}

function idsOf(find: (kind: MatterIdKind) => FoundId): MatterIds {
  const [vendor, product] = [find(vendorId), find(productId)];
  return {
    vendorId: vendor.value,
    productId: product.value,
    problems: [vendor.problem, product.problem].filter((problem) => problem !== undefined),
  };
}

function fromAttributes(attributes: readonly EncodedAttribute[], kind: MatterIdKind): FoundId {
  const found = attributes.filter(({ oid }) => oid === kind.oid);
  const [first] = found;
  if (first === undefined) return {};
  if (found.length > 1) return { problem: `the ${kind.name} stands more than once` };
  const text = latin1(first.value.content);
  return first.value.tag === tags.utf8String && fourDigits.test(text)
    ? { value: text }
    : { problem: `the ${kind.name} is four upper-case hex digits in a UTF8String` };
}

/** The first prefix that four digits follow counts; a prefix that none follows must not stand alone. */
function fromCommonName(text: string, kind: MatterIdKind): FoundId {
  const [, ...tails] = text.split(kind.prefix);
  if (tails.length === 0) return {};
  const value = tails.map((tail) => tail.slice(0, 4)).find((digits) => fourDigits.test(digits));
  return value === undefined
    ? { problem: `${kind.prefix} in the commonName is followed by four upper-case hex digits` }
    : { value };
}

/** One character per octet. */
function latin1(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('latin1');
}
