import { type GeneralSubtree, isWiderSubtree, type NameConstraints } from '@certmill/der';
import { limitsOfChain } from '@certmill/pipeline/compute';
import { addressAndMask } from '../inspect/extension-view.js';
import { oidName } from '../inspect/oid-names.js';
import { nameText } from '../inspect/view.js';
import type { CaCertificate } from './ca-certificate.js';
import { roomBelow } from './issue-ca-certificate.js';

/** What bounds a CA, in its own certificate and in each above it. */
export type BoundingCertificate = Pick<
  CaCertificate,
  'limits' | 'pathLenConstraint' | 'keyUsage' | 'subjectDer' | 'issuerDer'
>;

/**
 * What a chain takes away from what a CA could sign under the one before, by the extension that does, for people; none
 * where it leaves as much. The CA's certificate is the first of both, and bounds with those above it (RFC 5280 6.1).
 */
export function narrowerConstraints(
  before: readonly BoundingCertificate[],
  after: readonly BoundingCertificate[],
): readonly string[] {
  const [wide, narrow] = [before, after].map((chain) =>
    limitsOfChain(chain.map(({ limits }) => limits)),
  );
  return [
    ...withoutUsages(before[0], after[0]),
    ...fewerTiers(roomBelow(before), roomBelow(after)),
    ...withoutOids('extKeyUsage', wide?.extKeyUsage, narrow?.extKeyUsage),
    ...withoutOids('certificatePolicies', wide?.policies, narrow?.policies),
    ...withoutNames(wide?.nameConstraints ?? [], narrow?.nameConstraints ?? []),
  ];
}

/** RFC 5280 4.2.1.3. */
function withoutUsages(
  before: BoundingCertificate | undefined,
  after: BoundingCertificate | undefined,
): readonly string[] {
  const lost = before?.keyUsage?.filter((usage) => after?.keyUsage?.includes(usage) === false);
  return lost === undefined || lost.length === 0 ? [] : [`keyUsage ${lost.join(', ')}`];
}

/** RFC 5280 4.2.1.9. @param before undefined: any number. */
function fewerTiers(before: number | undefined, after: number | undefined): readonly string[] {
  if (after === undefined || (before !== undefined && after >= before)) return [];
  const were = before === undefined ? 'any number' : String(before);
  return [`pathLenConstraint: ${String(after)} CAs below it, which were ${were}`];
}

/** RFC 5280 4.2.1.4, 4.2.1.12. @param before undefined: all. */
function withoutOids(
  extension: string,
  before: readonly string[] | undefined,
  after: readonly string[] | undefined,
): readonly string[] {
  if (after === undefined) return [];
  const named = (oids: readonly string[]): string => oids.map(oidName).join(', ');
  if (before === undefined) return [`${extension}: all but ${named(after)}`];
  const lost = before.filter((oid) => !after.includes(oid));
  return lost.length === 0 ? [] : [`${extension} ${named(lost)}`];
}

/** RFC 5280 4.2.1.10: what a chain permits keeps the constraints of each of its certificates. */
function withoutNames(
  before: readonly NameConstraints[],
  after: readonly NameConstraints[],
): readonly string[] {
  return after.flatMap(({ permitted, excluded }) => {
    const bounded = new Set(permitted.map(({ kind }) => kind));
    const outside = [...bounded].flatMap((kind) => {
      const ofKind = permitted.filter((subtree) => subtree.kind === kind);
      const isKept = before.some((each) => isWithinSubtrees(each.permitted, kind, ofKind));
      return isKept ? [] : [`nameConstraints: names outside ${textOf(ofKind)}`];
    });
    const inside = excluded.filter(
      (subtree) => !before.some((each) => isWithinSubtrees([subtree], subtree.kind, each.excluded)),
    );
    return inside.length === 0
      ? outside
      : [...outside, `nameConstraints: names of ${textOf(inside)}`];
  });
}

/** Whether there are inner subtrees of the kind, each within an outer one. */
function isWithinSubtrees(
  inner: readonly GeneralSubtree[],
  kind: GeneralSubtree['kind'],
  outer: readonly GeneralSubtree[],
): boolean {
  const ofKind = inner.filter((subtree) => subtree.kind === kind);
  const outerOfKind = outer.filter((subtree) => subtree.kind === kind);
  return (
    ofKind.length > 0 &&
    outerOfKind.length > 0 &&
    ofKind.every((subtree) => isWithinOne(subtree, outerOfKind))
  );
}

/** @param outer of the same kind, one or more. */
function isWithinOne(subtree: GeneralSubtree, outer: readonly GeneralSubtree[]): boolean {
  switch (subtree.kind) {
    case 'otherName':
      return outer.some((each) => each.kind === 'otherName' && each.typeId === subtree.typeId);
    case 'x400Address':
    case 'ediPartyName':
    case 'registeredID':
      // What they hold is not read: each stands for all names of its form.
      return true;
    case 'dNSName':
    case 'rfc822Name':
    case 'uniformResourceIdentifier':
    case 'iPAddress':
    case 'directoryName':
      return !isWiderSubtree({ permitted: outer, excluded: [] }, subtree);
  }
}

function textOf(subtrees: readonly GeneralSubtree[]): string {
  return subtrees.map(subtreeText).join(', ');
}

function subtreeText(subtree: GeneralSubtree): string {
  switch (subtree.kind) {
    case 'dNSName':
    case 'rfc822Name':
    case 'uniformResourceIdentifier':
      return `${subtree.kind} ${subtree.value}`;
    case 'directoryName':
      return `${subtree.kind} ${nameText(subtree.nameDer)}`;
    case 'iPAddress':
      return `${subtree.kind} ${addressAndMask(subtree.octets)}`;
    case 'otherName':
      return `${subtree.kind} ${oidName(subtree.typeId)}`;
    case 'x400Address':
    case 'ediPartyName':
    case 'registeredID':
      return subtree.kind;
  }
}
