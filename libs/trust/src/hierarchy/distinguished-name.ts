import { CertmillError, subjectAttributeBounds, type SubjectAttributeType } from '@certmill/domain';
import {
  attributeTypeAndValue,
  CertmillDerError,
  compileTemplate,
  encodeSequence,
  encodeSetOf,
  type NameStringType,
  rdnSequence,
  preparedNameText,
  readName,
  relativeDistinguishedName,
} from '@certmill/der';
import { subjectAttributeOids } from '@certmill/pipeline/compute';
import { type DerNode, oidOf, readDerNode } from '../lint/der-node.js';

/** A name as its attributes, most significant first: one RDN each. */
export type DistinguishedName = readonly {
  readonly type: SubjectAttributeType;
  readonly value: string;
}[];

/** RFC 4519 2 and RFC 5280 A.1: the attributes that are no DirectoryString. */
const stringTypes: Partial<Record<SubjectAttributeType, NameStringType>> = {
  countryName: 'printableString',
  serialNumber: 'printableString',
  dnQualifier: 'printableString',
  domainComponent: 'ia5String',
};

/** RFC 4514 3. */
const shortNames: Readonly<Record<string, SubjectAttributeType>> = {
  CN: 'commonName',
  C: 'countryName',
  O: 'organizationName',
  OU: 'organizationalUnitName',
  L: 'localityName',
  ST: 'stateOrProvinceName',
  DC: 'domainComponent',
};

const maxNameBytes = 64 * 1024;

/** The Name element of a subject. INVALID_INPUT where it is empty or a value does not fit its type. */
export function distinguishedNameDer(name: DistinguishedName): Uint8Array {
  if (name.length === 0) throw refusal('is empty, which no CA may have (RFC 5280 4.1.2.6)');
  try {
    const template = compileTemplate(
      rdnSequence(
        ...name.map(({ type, value }) =>
          relativeDistinguishedName(
            attributeTypeAndValue(
              subjectAttributeOids[type],
              stringTypes[type] ?? 'utf8String',
              checked(type, value),
            ),
          ),
        ),
      ),
    );
    const out = new Uint8Array(maxNameBytes);
    return out.slice(template.write(out, out.length, template.createValues()));
  } catch (cause) {
    if (!(cause instanceof CertmillDerError)) throw cause;
    throw new CertmillError('INVALID_INPUT', `the name cannot be written: ${cause.message}`, {
      cause,
    });
  }
}

function checked(type: SubjectAttributeType, value: string): string {
  if (value === '') throw refusal(`has no sound ${type}`);
  assertBound(type, value);
  if (/[\x00-\x1f\x7f]/.test(value)) throw refusal(`has a control character in its ${type}`);
  if (type === 'countryName' && !/^[A-Z]{2}$/.test(value)) {
    throw refusal('has a country that is no two upper-case letters (RFC 5280 A.1)');
  }
  return value;
}

function assertBound(type: SubjectAttributeType, value: string): void {
  const excess = excessOf(type, value);
  if (excess !== undefined) throw refusal(excess);
}

function excessOf(type: SubjectAttributeType, value: string): string | undefined {
  const [length, bound] = [Array.from(value).length, subjectAttributeBounds[type]];
  if (length <= bound) return undefined;
  return `has a ${type} of ${String(length)} characters, at most ${String(bound)} fit (RFC 5280 A.1)`;
}

/**
 * INVALID_INPUT where an attribute of a Name that others have written is too long, and the name is not bound to stay
 * as it is. Attributes of other types are passed over.
 */
export function assertNameBounds(der: Uint8Array, mayStay: () => boolean): void {
  const name = readName(der, 0, der.length);
  if (!name.ok) throw refusal('cannot be read');
  for (const { oid, value } of name.value.flat()) {
    const type = attributeTypes.get(oid);
    const excess = type && excessOf(type, value);
    if (excess === undefined) continue;
    if (mayStay()) return;
    throw refusal(excess);
  }
}

/**
 * The Name with another commonName in the place of its last one, behind all where it has none. Everything else stays
 * byte by byte, as CAs above may permit it in nameConstraints (RFC 5280 4.2.1.10). INVALID_INPUT.
 */
export function withCommonName(nameDer: Uint8Array, commonName: string): Uint8Array {
  const own = distinguishedNameDer([{ type: 'commonName', value: commonName }]);
  const name = readDerNode(nameDer);
  const [rdn] = readDerNode(own)?.children ?? [];
  const [attribute] = rdn?.children ?? [];
  if (name === undefined || rdn === undefined || attribute === undefined) {
    throw refusal('cannot be read');
  }
  const isCommonName = ({ children: [type] }: DerNode): boolean =>
    oidOf(type) === subjectAttributeOids.commonName;
  const last = name.children.findLastIndex(({ children }) => children.some(isCommonName));
  if (last < 0) return encodeSequence(...name.children.map(({ der }) => der), rdn.der);
  const rdns = name.children.map(({ der, children }, index) => {
    if (index !== last) return der;
    return encodeSetOf(...children.map((each) => (isCommonName(each) ? attribute : each).der));
  });
  return encodeSequence(...rdns);
}

/** What a CA is called where nobody says: its name, cut where that is too long, and its kind. */
export function caCommonName(name: string, kind: string): string {
  return `${name.slice(0, subjectAttributeBounds.commonName - kind.length - 1)} ${kind}`;
}

/**
 * Reads `O=Example,OU=Devices,CN=Root`, most significant first as certificates have it; a comma in a
 * value is written `\,`. Types by their short name (RFC 4514 3) or in full. INVALID_INPUT.
 */
export function parseDistinguishedName(text: string): DistinguishedName {
  return text.split(/(?<!\\),/).map((part) => {
    const [, key = '', value = ''] = /^\s*([A-Za-z]+)\s*=\s*(.*?)\s*$/s.exec(part) ?? [];
    const type =
      shortNames[key.toUpperCase()] ?? (Object.hasOwn(subjectAttributeOids, key) ? key : undefined);
    if (type === undefined) {
      const known = [...Object.keys(shortNames), 'serialNumber', 'title'].join(', ');
      throw refusal(`has '${part.slice(0, 80)}': write TYPE=VALUE,... with one of ${known}`);
    }
    return {
      type: type as SubjectAttributeType,
      value: value.replace(/\\(.)/g, '$1'),
    };
  });
}

const attributeTypes: ReadonlyMap<string, SubjectAttributeType> = new Map(
  Object.entries(subjectAttributeOids).map(([type, oid]) => [oid, type as SubjectAttributeType]),
);

/** The attributes of a Name element, those of one RDN side by side. INVALID_INPUT for an unknown type. */
export function readDistinguishedName(der: Uint8Array): DistinguishedName {
  const name = readName(der, 0, der.length);
  if (!name.ok) throw refusal('cannot be read');
  return name.value.flat().map(({ oid, value }) => {
    const type = attributeTypes.get(oid);
    if (type === undefined) throw refusal(`has an attribute of another type, ${oid}`);
    return { type, value };
  });
}

function refusal(reason: string): CertmillError {
  return new CertmillError('INVALID_INPUT', `the distinguished name ${reason}`);
}

/** Whether a Name element holds nothing (RFC 5280 4.1.2.6). */
export function isEmptyName(der: Uint8Array): boolean {
  return der.length === 2;
}

/**
 * Whether two Name elements are the same name: byte for byte, or as text (RFC 5280 7.1), whatever string
 * types some CAs write a name in that they were asked for, and without regard to case.
 */
export function isSameName(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0 || nameKeyOf(left) === nameKeyOf(right);
}

/** The same text for two Name elements that are the same name, so that many are found without comparing each pair. */
export function nameKeyOf(der: Uint8Array): string {
  const name = readName(der, 0, der.length);
  if (!name.ok) return Buffer.from(der).toString('hex');
  return JSON.stringify(
    name.value.map((rdn) =>
      rdn.map(({ oid, value }) => [oid, preparedNameText(value)].join('=')).sort(),
    ),
  );
}
