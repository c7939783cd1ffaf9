import type { DerResult } from '../encoding/der-error.js';
import { DerReader } from '../encoding/der-reader.js';
import type { GeneralSubtree, NameConstraints, WritableSubtree } from './name-constraints.js';
import { oids } from '../encoding/oids.js';
import { readExtensions } from '../certificates/read-extensions.js';
import { type GeneralName, readGeneralNames } from './read-general-names.js';
import { type DecodedName, type NameAttribute, readName } from './read-name.js';
import { contextConstructed, tags } from '../encoding/tags.js';

/** The names of a certificate that nameConstraints are held against (RFC 5280 6.1.3 (b), (c)). */
export interface ConstrainedNames {
  readonly subject: DecodedName;
  readonly alternativeNames: readonly GeneralName[];
  /** What the offsets of the names are in. */
  readonly bytes: Uint8Array;
}

/** Reads the names of the TBSCertificate that fills `bytes[start, end)`; views of it. */
export function readTbsNames(
  bytes: Uint8Array,
  start: number,
  end: number,
): DerResult<ConstrainedNames> {
  const reader = new DerReader();
  if (!reader.reset(bytes, start, end)) return reader.failure();
  const tbsEnd = reader.open(tags.sequence, end);
  if (tbsEnd < 0) return reader.failure();
  const isHead =
    (reader.peek(tbsEnd) !== contextConstructed(0) || reader.any(tbsEnd, 1)) &&
    reader.skip(tags.integer, tbsEnd) &&
    reader.skip(tags.sequence, tbsEnd) &&
    reader.skip(tags.sequence, tbsEnd) &&
    reader.skip(tags.sequence, tbsEnd);
  const subjectStart = reader.position;
  if (!isHead || !reader.skip(tags.sequence, tbsEnd)) return reader.failure();
  const subject = readName(bytes, subjectStart, reader.position);
  if (!subject.ok) return subject;
  if (!reader.skip(tags.sequence, tbsEnd)) return reader.failure();
  let alternativeNames: readonly GeneralName[] = [];
  while (reader.position < tbsEnd) {
    const isExtensions = reader.peek(tbsEnd) === contextConstructed(3);
    if (!reader.header(tbsEnd)) return reader.failure();
    const { contentStart, contentEnd } = reader;
    if (isExtensions) {
      const read = readAlternativeNames(bytes, contentStart, contentEnd);
      if (!read.ok) return read;
      alternativeNames = read.value;
    }
    reader.position = contentEnd;
  }
  return { ok: true, value: { subject: subject.value, alternativeNames, bytes } };
}

function readAlternativeNames(
  bytes: Uint8Array,
  start: number,
  end: number,
): DerResult<readonly GeneralName[]> {
  const extensions = readExtensions(bytes, start, end);
  if (!extensions.ok) return extensions;
  const found = extensions.value.find(({ oid }) => oid === oids.id_ce_subjectAltName);
  return found === undefined
    ? { ok: true, value: [] }
    : readGeneralNames(bytes, found.valueStart, found.valueEnd);
}

/** One name in a form that subtrees are compared with. */
export type ConstrainedName =
  | {
      readonly kind: 'dNSName' | 'rfc822Name' | 'uniformResourceIdentifier';
      readonly value: string;
    }
  | { readonly kind: 'iPAddress'; readonly octets: Uint8Array }
  | { readonly kind: 'directoryName'; readonly name: DecodedName }
  | { readonly kind: 'otherName'; readonly typeId: string }
  | { readonly kind: 'x400Address' | 'ediPartyName' | 'registeredID' };

/**
 * The first name that leaves the constraints, as text for people; undefined where none does. A name of a
 * form that is constrained in a way that cannot be compared leaves them (RFC 5280 4.2.1.10: process or
 * reject).
 */
export function nameOutside(
  constraints: NameConstraints,
  names: ConstrainedNames,
): string | undefined {
  for (const name of constrainedNamesOf(names)) {
    if (!isWithin(constraints, name)) return textOf(name);
  }
  return undefined;
}

/** Whether a name keeps the constraints of its form. */
export function isWithin({ permitted, excluded }: NameConstraints, name: ConstrainedName): boolean {
  if (excluded.some((subtree) => mayContain(subtree, name))) return false;
  const ofForm = permitted.filter((subtree) => isOfForm(subtree, name));
  return ofForm.length === 0 || ofForm.some((subtree) => contains(subtree, name) === true);
}

/**
 * Whether a subtree that is permitted below leaves what is permitted of its form, or nothing of it is left
 * by what is excluded; no verifier takes such names (RFC 5280 6.1.4 (g)).
 */
export function isWiderSubtree(
  { permitted, excluded }: NameConstraints,
  subtree: WritableSubtree,
): boolean {
  if (excluded.some((outer) => isSubtreeOf(subtree, outer))) return true;
  const ofForm = permitted.filter(({ kind }) => kind === subtree.kind);
  return ofForm.length > 0 && !ofForm.some((outer) => isSubtreeOf(subtree, outer));
}

function isSubtreeOf(inner: WritableSubtree, outer: GeneralSubtree): boolean {
  if (inner.kind === 'dNSName' && outer.kind === 'dNSName') {
    return isInDomain(inner.value, outer.value);
  }
  if (inner.kind === 'rfc822Name' && outer.kind === 'rfc822Name') {
    return isInMailboxes(inner.value, outer.value);
  }
  if (inner.kind === 'uniformResourceIdentifier' && outer.kind === inner.kind) {
    return outer.value === '' || isHostOf(inner.value, outer.value);
  }
  if (inner.kind === 'iPAddress' && outer.kind === 'iPAddress') {
    return isRangeIn(inner.octets, outer.octets);
  }
  if (inner.kind === 'directoryName' && outer.kind === 'directoryName') {
    const name = readName(inner.nameDer, 0, inner.nameDer.length);
    return name.ok && isBelow(name.value, outer.nameDer) === true;
  }
  return false;
}

/** Whether an excluded subtree has the name, or may have it. */
function mayContain(subtree: GeneralSubtree, name: ConstrainedName): boolean {
  if (subtree.kind !== name.kind) return false;
  if (contains(subtree, name) !== false) return true;
  // `*.example.com` stands for `a.example.com` too.
  return (
    subtree.kind === 'dNSName' &&
    name.kind === 'dNSName' &&
    name.value.startsWith('*.') &&
    `.${subtree.value}`.toLowerCase().endsWith(name.value.slice(1).toLowerCase())
  );
}

function isOfForm(subtree: GeneralSubtree, name: ConstrainedName): boolean {
  if (subtree.kind !== name.kind) return false;
  return (
    subtree.kind !== 'otherName' || name.kind !== 'otherName' || subtree.typeId === name.typeId
  );
}

function constrainedNamesOf({
  subject,
  alternativeNames,
  bytes,
}: ConstrainedNames): readonly ConstrainedName[] {
  const mailboxes = subject
    .flat()
    .filter(({ oid }) => oid === oids.id_emailAddress)
    .map(({ value }): ConstrainedName => ({ kind: 'rfc822Name', value }));
  const own: ConstrainedName[] =
    subject.length === 0 ? [] : [{ kind: 'directoryName', name: subject }];
  return [...own, ...mailboxes, ...alternativeNames.map((name) => constrainedName(name, bytes))];
}

function constrainedName(name: GeneralName, bytes: Uint8Array): ConstrainedName {
  switch (name.kind) {
    case 'dNSName':
    case 'rfc822Name':
    case 'uniformResourceIdentifier':
      return { kind: name.kind, value: name.value };
    case 'iPAddress':
      return { kind: 'iPAddress', octets: bytes.subarray(name.valueStart, name.valueEnd) };
    case 'directoryName':
      return { kind: 'directoryName', name: name.name };
    case 'otherName':
      return { kind: 'otherName', typeId: name.typeId };
    case 'hardwareModuleName':
      return { kind: 'otherName', typeId: oids.id_on_hardwareModuleName };
    case 'registeredID':
    case 'x400Address':
    case 'ediPartyName':
      return { kind: name.kind };
  }
}

/** Undefined: it cannot be told. */
function contains(subtree: GeneralSubtree, name: ConstrainedName): boolean | undefined {
  if (subtree.kind === 'dNSName' && name.kind === 'dNSName') {
    return isInDomain(name.value, subtree.value);
  }
  if (subtree.kind === 'rfc822Name' && name.kind === 'rfc822Name') {
    return isInMailboxes(name.value, subtree.value);
  }
  if (subtree.kind === 'uniformResourceIdentifier' && name.kind === subtree.kind) {
    return isOnHosts(name.value, subtree.value);
  }
  if (subtree.kind === 'iPAddress' && name.kind === 'iPAddress') {
    return isInRange(name.octets, subtree.octets);
  }
  if (subtree.kind === 'directoryName' && name.kind === 'directoryName') {
    return isBelow(name.name, subtree.nameDer);
  }
  if (subtree.kind === 'otherName' && name.kind === 'otherName') {
    return subtree.typeId === name.typeId ? undefined : false;
  }
  return undefined;
}

/** `host.example.com` is in `example.com`; a wildcard is where all that it stands for is. */
function isInDomain(value: string, base: string): boolean {
  const host = value.toLowerCase();
  const domain = base.toLowerCase();
  if (domain === '' || host === domain) return true;
  return host.endsWith(domain.startsWith('.') ? domain : `.${domain}`);
}

/** A mailbox, all mailboxes of a host, or with a leading dot those of the hosts below a domain. */
function isInMailboxes(value: string, base: string): boolean {
  const at = value.lastIndexOf('@');
  if (base === '') return true;
  if (base.includes('@')) {
    const baseAt = base.lastIndexOf('@');
    return (
      value.slice(0, at) === base.slice(0, baseAt) &&
      value.slice(at).toLowerCase() === base.slice(baseAt).toLowerCase()
    );
  }
  return isHostOf(value.slice(at + 1), base);
}

/** RFC 5280 4.2.1.10: a URI without a host, or with an address for one, is in no subtree. */
function isOnHosts(value: string, base: string): boolean | undefined {
  const host = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:@[\]]+)(?::\d*)?(?:[/?#]|$)/i.exec(
    value,
  )?.[1];
  if (host === undefined || /^[\d.]+$/.test(host)) return undefined;
  return base === '' || isHostOf(host, base);
}

function isHostOf(value: string, base: string): boolean {
  const host = value.toLowerCase();
  const domain = base.toLowerCase();
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain;
}

function isInRange(address: Uint8Array, range: Uint8Array): boolean {
  const half = range.length / 2;
  if (address.length !== half) return false;
  return address.every((octet, index) => {
    const mask = range[half + index] ?? 0;
    return (octet & mask) === ((range[index] ?? 0) & mask);
  });
}

/** Whether a range with its mask is a part of another one. */
function isRangeIn(inner: Uint8Array, outer: Uint8Array): boolean {
  const half = outer.length / 2;
  if (inner.length !== outer.length || !isInRange(inner.subarray(0, half), outer)) return false;
  return outer.subarray(half).every((mask, index) => ((inner[half + index] ?? 0) & mask) === mask);
}

/** Whether the name begins with the RDNs of the subtree. */
function isBelow(name: DecodedName, baseDer: Uint8Array): boolean | undefined {
  const base = readName(baseDer, 0, baseDer.length);
  if (!base.ok) return undefined;
  return base.value.every((rdn, index) => {
    const own = name[index];
    return (
      own !== undefined &&
      own.length === rdn.length &&
      rdn.every((attribute) => own.some((other) => isSameAttribute(attribute, other)))
    );
  });
}

function isSameAttribute(left: NameAttribute, right: NameAttribute): boolean {
  return left.oid === right.oid && isSameNameText(left.value, right.value);
}

/** RFC 5280 7.1: as text, without regard to case and to how many spaces there are. */
export function isSameNameText(left: string, right: string): boolean {
  return preparedNameText(left) === preparedNameText(right);
}

/** As names are compared (RFC 5280 7.1): two values that are the same have one text. */
export function preparedNameText(value: string): string {
  return value.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ');
}

function textOf(name: ConstrainedName): string {
  switch (name.kind) {
    case 'dNSName':
    case 'rfc822Name':
    case 'uniformResourceIdentifier':
      return `${name.kind} ${name.value.slice(0, 100)}`;
    case 'iPAddress':
      return `iPAddress ${Buffer.from(name.octets).toString('hex')}`;
    case 'directoryName':
      return 'the directoryName';
    case 'otherName':
      return `otherName ${name.typeId}`;
    case 'x400Address':
    case 'ediPartyName':
    case 'registeredID':
      return name.kind;
  }
}
