import { readName, tags, type CertificationRequestWalk, type NameAttribute } from '@certmill/der';
import type { Defects } from './defects.js';
import { quoted } from './detail-text.js';
import { subjectAttributeOids } from '../profile/subject-attribute-oids.js';
import type { ExaminationPlan } from './examination-plan.js';

/** Values of a request, one per csr source of the profile; undefined where absent. */
export type CsrValues = (string | undefined)[];

const attributeNames = new Map(
  Object.entries(subjectAttributeOids).map(([name, oid]) => [oid, name]),
);

/** The string types that a name may use (RFC 5280 4.1.2.4, and what older encoders send). */
const stringTags: ReadonlySet<number> = new Set([
  tags.utf8String,
  tags.printableString,
  tags.ia5String,
  tags.numericString,
  tags.teletexString,
  tags.visibleString,
  tags.bmpString,
  tags.universalString,
]);

function nameOf(attribute: NameAttribute): string {
  return attributeNames.get(attribute.oid) ?? attribute.oid;
}

/**
 * Checks the requested subject and takes from it what the profile wants into `values`. Defects are
 * SUBJECT_MISMATCH: a string that its type does not allow, control characters anywhere, a wanted
 * attribute that occurs twice, shares its RDN with another, is no string or is too long, and
 * attributes that the profile does not take where it says `reject`.
 */
export function takeSubject(
  bytes: Uint8Array,
  walk: CertificationRequestWalk,
  plan: ExaminationPlan,
  values: CsrValues,
  defects: Defects,
): void {
  const name = readName(bytes, walk.subjectStart, walk.subjectEnd);
  if (!name.ok) {
    // The walk has been through the structure: what is left are strings that break their type.
    defects.add(
      'SUBJECT_MISMATCH',
      'the subject has a string with characters or octets that its type does not allow, ' +
        `at offset ${(name.error.offset - walk.certificationRequestInfoStart).toString()} ` +
        'of certificationRequestInfo: use UTF8String in valid UTF-8',
    );
    return;
  }
  for (const rdn of name.value) {
    for (const attribute of rdn) {
      if (attribute.hasControlCharacters) {
        defects.add(
          'SUBJECT_MISMATCH',
          `${nameOf(attribute)} of the subject, ${quoted(attribute.value)}, ` +
            'has control characters',
        );
      } else {
        takeAttribute(attribute, rdn.length > 1, plan, values, defects);
      }
    }
  }
}

function takeAttribute(
  attribute: NameAttribute,
  isMultiValued: boolean,
  plan: ExaminationPlan,
  values: CsrValues,
  defects: Defects,
): void {
  const { value } = attribute;
  for (const { oid, name, column, maxLength } of plan.subjectColumns) {
    if (oid !== attribute.oid) continue;
    if (isMultiValued) {
      defects.add(
        'SUBJECT_MISMATCH',
        `${name} stands in a multi-valued RDN of the subject: give it an RDN of its own`,
      );
    } else if (values[column] !== undefined) {
      defects.add(
        'SUBJECT_MISMATCH',
        `the subject has ${name} more than once, ${quoted(values[column])} and ` +
          `${quoted(value)}: the profile takes exactly one`,
      );
    } else if (!stringTags.has(attribute.tag)) {
      defects.add('SUBJECT_MISMATCH', `${name} of the subject is not a string`);
    } else if (value.length > maxLength) {
      defects.add(
        'SUBJECT_MISMATCH',
        `${name} of the subject, ${quoted(value)}, has ${value.length.toString()} characters: ` +
          `at most ${maxLength.toString()} are allowed`,
      );
    } else if (value !== '') {
      values[column] = value;
    }
    return;
  }
  if (plan.profile.csr.otherSubjectAttributes === 'ignore') return;
  if (plan.fixedSubject.get(attribute.oid)?.has(value) === true) return;
  defects.add(
    'SUBJECT_MISMATCH',
    `the subject has ${nameOf(attribute)} ${quoted(value)}, which the profile does not take: ` +
      'leave it out of the CSR',
  );
}
