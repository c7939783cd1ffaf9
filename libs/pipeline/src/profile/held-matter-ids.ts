import {
  encodedAttributes,
  type ConstrainedNames,
  type EncodedAttribute,
  matterIdsInName,
  matterIdsOf,
  tags,
} from '@certmill/der';
import type { Profile, SubjectAttribute } from '@certmill/domain';
import { subjectAttributeOids } from './subject-attribute-oids.js';

/** Vendor and product that the name of an issuer has: its devices have the same. */
export interface HeldMatterIds {
  /** Four upper-case hex digits each; absent: any. */
  readonly vendorId?: string;
  readonly productId?: string;
}

/**
 * What the issuer holds attestation certificates of the profile to (Matter Core Specification
 * 6.2.2.3); undefined where the profile makes none.
 * @param issuerSubjectDer the Name element of the issuer.
 */
export function heldMatterIds(
  { conformsTo }: Pick<Profile, 'conformsTo'>,
  issuerSubjectDer: Uint8Array,
): HeldMatterIds | undefined {
  if (conformsTo !== 'matter-dac') return undefined;
  const { vendorId, productId } = matterIdsInName(issuerSubjectDer);
  return {
    ...(vendorId === undefined ? {} : { vendorId }),
    ...(productId === undefined ? {} : { productId }),
  };
}

/** Whether an issuer's name has a vendor id, as each intermediate of Matter's does: it certifies nothing else. */
export function isMatterIssuer(issuerSubjectDer: Uint8Array): boolean {
  return matterIdsInName(issuerSubjectDer).vendorId !== undefined;
}

/** What of the names of a certificate is not its issuer's, a clause; undefined where all is. */
export function matterIdOfNames(
  held: HeldMatterIds,
  { subject, bytes }: ConstrainedNames,
): string | undefined {
  return otherIdOf(held, encodedAttributes(subject, bytes));
}

const stringTags: Readonly<Record<SubjectAttribute['encoding'], number>> = {
  utf8: tags.utf8String,
  printable: tags.printableString,
  ia5: tags.ia5String,
};

/**
 * The same of the certificate that the profile makes of the values.
 * @param values in the order of `profileSlots`; an empty one is absent.
 */
export function matterIdOfValues(
  held: HeldMatterIds,
  profile: Profile,
  values: readonly Uint8Array[],
): string | undefined {
  let slot = 0;
  const attributes = profile.subject.flatMap(({ type, encoding, value }): EncodedAttribute[] => {
    const content = 'fixed' in value ? Buffer.from(value.fixed) : values[slot++];
    if (content === undefined || content.length === 0) return [];
    return [{ oid: subjectAttributeOids[type], value: { tag: stringTags[encoding], content } }];
  });
  return otherIdOf(held, attributes);
}

function otherIdOf(
  held: HeldMatterIds,
  attributes: readonly EncodedAttribute[],
): string | undefined {
  const ids = matterIdsOf(attributes);
  const other = (['vendorId', 'productId'] as const).find(
    (id) => held[id] !== undefined && ids[id] !== held[id],
  );
  if (other === undefined) return undefined;
  const what = other === 'vendorId' ? 'vendor id' : 'product id';
  return `the ${what} ${ids[other] ?? '(none)'} is not that of the issuer, ${held[other] ?? ''}`;
}
