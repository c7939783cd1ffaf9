import {
  encodeBoolean,
  encodeInteger,
  encodeNamedBits,
  encodeOctetString,
  encodeOid,
  encodeOidContent,
  encodeSequence,
  encodeTlv,
} from '../encoding/der-encode.js';
import { CertmillDerError } from '../encoding/der-error.js';
import { isPrintable } from '../encoding/der-string.js';
import { oids } from '../encoding/oids.js';
import { contextConstructed, contextPrimitive, tags } from '../encoding/tags.js';
import {
  constructed,
  fixed,
  octetStringOf,
  sequence,
  setOf,
  type SkiMethod,
  skiOf,
  slot,
  type TemplateNode,
} from '../template/template-node.js';

/** Content that is known now, as text or bytes, or that a slot brings. */
export type Content = string | Uint8Array | { readonly slot: string };

/** The string types that new names are written in (RFC 5280 4.1.2.4). */
export type NameStringType = 'utf8String' | 'printableString' | 'ia5String';

function primitive(tag: number, content: Content): TemplateNode {
  if (content instanceof Uint8Array) return fixed(encodeTlv(tag, content));
  if (typeof content !== 'string') return slot(content.slot, tag);
  const isText = tag === tags.utf8String || tag === tags.octetString;
  const isAllowed = isText ? content.isWellFormed() : /^[\x00-\x7f]*$/.test(content);
  if (!isAllowed || (tag === tags.printableString && !isPrintable(content))) {
    throw new CertmillDerError(
      'argument-invalid',
      `a string type does not allow ${JSON.stringify(content)}`,
    );
  }
  return fixed(encodeTlv(tag, Buffer.from(content, 'utf8')));
}

/** `AttributeTypeAndValue ::= SEQUENCE { type OBJECT IDENTIFIER, value ANY }` (5280 4.1.2.4). */
export function attributeTypeAndValue(
  oid: string,
  stringType: NameStringType,
  content: Content,
): TemplateNode {
  return sequence(fixed(encodeOid(oid)), primitive(tags[stringType], content));
}

/**
 * `RDNSequence ::= SEQUENCE OF SET OF AttributeTypeAndValue`: each argument is one RDN. To leave an
 * RDN out, wrap it: `optional('model', relativeDistinguishedName(...))`.
 */
export function rdnSequence(...rdns: readonly TemplateNode[]): TemplateNode {
  return sequence(...rdns);
}

/** One RDN; more than one attribute makes it multi-valued. */
export function relativeDistinguishedName(...attributes: readonly TemplateNode[]): TemplateNode {
  return setOf(...attributes);
}

/** `Extension ::= SEQUENCE { extnID, critical DEFAULT FALSE, extnValue OCTET STRING }`. */
export function extension(oid: string, critical: boolean, value: TemplateNode): TemplateNode {
  return critical
    ? sequence(fixed(encodeOid(oid)), fixed(encodeBoolean(true)), octetStringOf(value))
    : sequence(fixed(encodeOid(oid)), octetStringOf(value));
}

/** `GeneralNames ::= SEQUENCE SIZE (1..MAX) OF GeneralName` (RFC 5280 4.2.1.6). */
export function generalNames(...names: readonly TemplateNode[]): TemplateNode {
  return sequence(...names);
}

/** `rfc822Name [1] IA5String`. */
export function rfc822Name(content: Content): TemplateNode {
  return primitive(contextPrimitive(1), content);
}

/** `dNSName [2] IA5String`. */
export function dNSName(content: Content): TemplateNode {
  return primitive(contextPrimitive(2), content);
}

/** `directoryName [4] Name`: EXPLICIT, because Name is a CHOICE. */
export function directoryName(name: TemplateNode): TemplateNode {
  return constructed(contextConstructed(4), name);
}

/** `uniformResourceIdentifier [6] IA5String`. */
export function uniformResourceIdentifier(content: Content): TemplateNode {
  return primitive(contextPrimitive(6), content);
}

/** `iPAddress [7] OCTET STRING`: 4 or 16 octets in a SAN. */
export function iPAddress(octets: Uint8Array | { readonly slot: string }): TemplateNode {
  return primitive(contextPrimitive(7), octets);
}

/** `otherName [0] SEQUENCE { type-id OBJECT IDENTIFIER, value [0] EXPLICIT ANY }`. */
export function otherName(typeId: string, value: TemplateNode): TemplateNode {
  return constructed(
    contextConstructed(0),
    fixed(encodeOid(typeId)),
    constructed(contextConstructed(0), value),
  );
}

/**
 * `HardwareModuleName ::= SEQUENCE { hwType OBJECT IDENTIFIER, hwSerialNum OCTET STRING }` (RFC 4108
 * 5) as an otherName: the SAN of an IEEE 802.1AR DevID. `hwType` is a dotted OID, or a slot whose
 * bytes are the content of one (`encodeOidContent`).
 */
export function hardwareModuleName(
  hwType: string | { readonly slot: string },
  hwSerialNum: Content,
): TemplateNode {
  const type = typeof hwType === 'string' ? encodeOidContent(hwType) : hwType;
  return otherName(
    oids.id_on_hardwareModuleName,
    sequence(primitive(tags.objectIdentifier, type), primitive(tags.octetString, hwSerialNum)),
  );
}

/** KeyUsage bits by their numbers' order (RFC 5280 4.2.1.3). */
export const keyUsageNames = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;

export type KeyUsageName = (typeof keyUsageNames)[number];

/** `KeyUsage ::= BIT STRING` (RFC 5280 4.2.1.3); at least one bit MUST be set. */
export function keyUsage(usages: readonly KeyUsageName[]): TemplateNode {
  if (usages.length === 0) {
    throw new CertmillDerError('argument-invalid', 'keyUsage needs at least one bit');
  }
  return fixed(encodeNamedBits(usages.map((usage) => keyUsageNames.indexOf(usage))));
}

/** `ExtKeyUsageSyntax ::= SEQUENCE SIZE (1..MAX) OF KeyPurposeId` (RFC 5280 4.2.1.12). */
export function extKeyUsage(purposes: readonly string[]): TemplateNode {
  if (purposes.length === 0) {
    throw new CertmillDerError('argument-invalid', 'extKeyUsage needs at least one purpose');
  }
  return fixed(encodeSequence(...purposes.map(encodeOid)));
}

/** `BasicConstraints ::= SEQUENCE { cA DEFAULT FALSE, pathLenConstraint OPTIONAL }` (4.2.1.9). */
export function basicConstraints(cA: boolean, pathLenConstraint?: number): TemplateNode {
  const parts = cA ? [encodeBoolean(true)] : [];
  if (pathLenConstraint !== undefined) {
    if (!cA || pathLenConstraint < 0) {
      throw new CertmillDerError('argument-invalid', "a path length is a CA's, and not negative");
    }
    parts.push(encodeInteger(pathLenConstraint));
  }
  return fixed(encodeSequence(...parts));
}

/** `AuthorityKeyIdentifier ::= SEQUENCE { keyIdentifier [0] ... }` (RFC 5280 4.2.1.1). */
export function authorityKeyIdentifier(keyIdentifier: Uint8Array): TemplateNode {
  return fixed(encodeSequence(encodeTlv(contextPrimitive(0), keyIdentifier)));
}

/** `SubjectKeyIdentifier ::= OCTET STRING` of a key known now, or of the key in a slot. */
export function subjectKeyIdentifier(
  key: Uint8Array | { readonly spkiSlot: string; readonly method: SkiMethod },
): TemplateNode {
  return key instanceof Uint8Array
    ? fixed(encodeOctetString(key))
    : skiOf(key.spkiSlot, key.method);
}

/**
 * `CRLDistributionPoints ::= SEQUENCE OF DistributionPoint` (RFC 5280 4.2.1.13): one point, whose
 * fullName holds all URIs, which are places of the same CRL.
 */
export function crlDistributionPoints(uris: readonly Content[]): TemplateNode {
  const fullName = constructed(contextConstructed(0), ...uris.map(uniformResourceIdentifier));
  return sequence(sequence(constructed(contextConstructed(0), fullName)));
}

/** `AuthorityInfoAccessSyntax ::= SEQUENCE OF AccessDescription` (RFC 5280 4.2.2.1). */
export function authorityInfoAccess(access: {
  readonly ocsp?: readonly Content[];
  readonly caIssuers?: readonly Content[];
}): TemplateNode {
  const describe = (method: string) => (uri: Content) =>
    sequence(fixed(encodeOid(method)), uniformResourceIdentifier(uri));
  return sequence(
    ...(access.ocsp ?? []).map(describe(oids.id_ad_ocsp)),
    ...(access.caIssuers ?? []).map(describe(oids.id_ad_caIssuers)),
  );
}

/** `CertificatePolicies ::= SEQUENCE OF PolicyInformation` without qualifiers (4.2.1.4). */
export function certificatePolicies(policies: readonly string[]): TemplateNode {
  return fixed(encodeSequence(...policies.map((policy) => encodeSequence(encodeOid(policy)))));
}
