import { oids, tags } from '@certmill/der';
import { latin1 } from './der-node.js';
import type { LintedAttribute, LintedCertificate } from './linted-certificate.js';
import { type LintRule, when } from './lint-rule.js';

interface AttributeRule {
  readonly name: string;
  readonly maxCharacters?: number;
  /** The only string type allowed; by default PrintableString or UTF8String. */
  readonly only?: number;
}

/** RFC 5280 A.1: upper bounds (ub-*) and the attributes with a string type of their own. */
const attributeRules: Readonly<Record<string, AttributeRule>> = {
  [oids.id_at_commonName]: { name: 'commonName', maxCharacters: 64 },
  [oids.id_at_serialNumber]: {
    name: 'serialNumber',
    maxCharacters: 64,
    only: tags.printableString,
  },
  [oids.id_at_countryName]: { name: 'countryName', maxCharacters: 2, only: tags.printableString },
  [oids.id_at_localityName]: { name: 'localityName', maxCharacters: 128 },
  [oids.id_at_stateOrProvinceName]: { name: 'stateOrProvinceName', maxCharacters: 128 },
  [oids.id_at_organizationName]: { name: 'organizationName', maxCharacters: 64 },
  [oids.id_at_organizationalUnitName]: { name: 'organizationalUnitName', maxCharacters: 64 },
  [oids.id_at_title]: { name: 'title', maxCharacters: 64 },
  [oids.id_at_dnQualifier]: { name: 'dnQualifier', only: tags.printableString },
  [oids.id_domainComponent]: { name: 'domainComponent', only: tags.ia5String },
};

const stringTypeNames: Readonly<Record<number, string>> = {
  [tags.utf8String]: 'UTF8String',
  [tags.printableString]: 'PrintableString',
  [tags.ia5String]: 'IA5String',
};

function nameOf(attribute: LintedAttribute): string {
  return attributeRules[attribute.oid]?.name ?? attribute.oid;
}

function textOf(attribute: LintedAttribute): string {
  return attribute.value.tag === tags.utf8String
    ? Buffer.from(attribute.value.content).toString('utf8')
    : latin1(attribute.value);
}

function eachAttribute(
  check: (attribute: LintedAttribute) => string | undefined,
): (certificate: LintedCertificate) => readonly string[] {
  return ({ subjectAttributes }) =>
    subjectAttributes.flatMap((attribute) => check(attribute) ?? []);
}

/** The subject's attributes: RFC 5280 4.1.2.4 and 4.1.2.6 with the bounds of appendix A.1. */
export const nameRules: readonly LintRule[] = [
  {
    id: 'attribute-string-type',
    clause: 'RFC 5280 4.1.2.4',
    check: eachAttribute((attribute) => {
      const { only } = attributeRules[attribute.oid] ?? {};
      const { tag } = attribute.value;
      if (only !== undefined && tag !== only) {
        return `${nameOf(attribute)} must be a ${stringTypeNames[only] ?? 'string'} (A.1)`;
      }
      return only === undefined && tag !== tags.utf8String && tag !== tags.printableString
        ? `${nameOf(attribute)} must be a UTF8String or a PrintableString`
        : undefined;
    }),
  },
  {
    id: 'attribute-characters',
    clause: 'RFC 5280 4.1.2.4',
    check: eachAttribute((attribute) => {
      const { tag, content } = attribute.value;
      const text = latin1(attribute.value);
      const isAllowed =
        (tag === tags.utf8String && isUtf8(content)) ||
        (tag === tags.printableString && /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(text)) ||
        (tag === tags.ia5String && /^[\x00-\x7f]*$/.test(text));
      const isKnownType = stringTypeNames[tag] !== undefined;
      return isKnownType && !isAllowed
        ? `${nameOf(attribute)} has characters that a ${stringTypeNames[tag] ?? ''} has not`
        : undefined;
    }),
  },
  {
    id: 'attribute-not-empty',
    clause: 'RFC 5280 A.1',
    check: eachAttribute((attribute) =>
      attribute.value.content.length === 0 ? `${nameOf(attribute)} is empty` : undefined,
    ),
  },
  {
    id: 'attribute-length',
    clause: 'RFC 5280 A.1',
    check: eachAttribute((attribute) => {
      const bound = attributeRules[attribute.oid]?.maxCharacters ?? Number.MAX_SAFE_INTEGER;
      const characters = Array.from(textOf(attribute)).length;
      return characters > bound
        ? `${nameOf(attribute)} has ${String(characters)} characters, at most ${String(bound)} are ` +
            'allowed'
        : undefined;
    }),
  },
  {
    id: 'country-code',
    clause: 'RFC 5280 A.1',
    check: eachAttribute((attribute) =>
      attribute.oid === oids.id_at_countryName && !/^[A-Za-z]{2}$/.test(textOf(attribute))
        ? 'countryName is not two letters (ISO 3166, X520countryName SIZE (2))'
        : undefined,
    ),
  },
  {
    id: 'domain-component-label',
    clause: 'RFC 4519 2.4',
    check: eachAttribute((attribute) =>
      attribute.oid === oids.id_domainComponent && !isLabel(textOf(attribute))
        ? 'domainComponent is not one label of a domain name'
        : undefined,
    ),
  },
  {
    id: 'attribute-control-characters',
    clause: 'RFC 4518 2.2',
    check: ({ subjectAttributes }) =>
      when(
        subjectAttributes.some((attribute) => /[\x00-\x1f\x7f]/.test(textOf(attribute))),
        'the subject holds control characters, which comparison rules map to nothing',
      ),
  },
];

function isUtf8(content: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(content);
    return true;
  } catch {
    return false;
  }
}

/** One label of a host name: letters, digits, inner hyphens, at most 63 (RFC 1034 3.5, 1123 2.1). */
export function isLabel(text: string): boolean {
  return /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(text);
}
