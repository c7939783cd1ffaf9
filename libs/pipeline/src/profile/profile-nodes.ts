import type {
  FieldValue,
  KeyUsageBit,
  Profile,
  ProfileExtensions,
  SubjectAltName,
  SubjectAttribute,
} from '@certmill/domain';
import {
  attributeTypeAndValue,
  authorityInfoAccess,
  authorityKeyIdentifier,
  basicConstraints,
  certificatePolicies,
  type Content,
  crlDistributionPoints,
  dNSName,
  encodeNamedBits,
  encodeOid,
  encodeSequence,
  extension,
  fixed,
  generalNames,
  hardwareModuleName,
  keyUsageNames,
  type NameStringType,
  oids,
  optional,
  rdnSequence,
  relativeDistinguishedName,
  rfc822Name,
  subjectKeyIdentifier,
  tbsSlots,
  type TemplateNode,
  uniformResourceIdentifier,
} from '@certmill/der';
import { subjectAttributeOids } from './subject-attribute-oids.js';

/**
 * Template nodes of a profile. They are built as the profile says, sense or nonsense: the sample
 * certificate of the admission is what gets judged, so a wrong profile is refused with its clause.
 */

const stringTypes: Readonly<Record<SubjectAttribute['encoding'], NameStringType>> = {
  utf8: 'utf8String',
  printable: 'printableString',
  ia5: 'ia5String',
};

/** The subject: one RDN per attribute, in the order of the profile. */
export function subjectNode(profile: Profile): TemplateNode {
  return rdnSequence(
    ...profile.subject.map((attribute, index) => {
      const slotName = `subject.${attribute.type}[${String(index)}]`;
      const rdn = relativeDistinguishedName(
        attributeTypeAndValue(
          subjectAttributeOids[attribute.type],
          stringTypes[attribute.encoding],
          contentOf(attribute.value, slotName),
        ),
      );
      return optionalWhere(attribute.value, slotName, rdn);
    }),
  );
}

/** Whether every certificate of the profile has a name in its subjectAltName, or none has. */
export function hasAlwaysSubjectAltName(profile: Profile): boolean {
  const names = profile.extensions.subjectAltName?.names ?? [];
  return names.length === 0 || names.some(({ value }) => 'fixed' in value || value.required);
}

/** The extensions in the order in which they stand in the certificate. */
export function extensionNodes(
  extensions: ProfileExtensions,
  issuerKeyIdentifier: Uint8Array,
  withSubjectAltName: boolean,
): readonly TemplateNode[] {
  const nodes: TemplateNode[] = [];
  const { basicConstraints: constraints, keyUsage, extKeyUsage, subjectAltName } = extensions;
  if (constraints !== undefined) {
    nodes.push(
      extension(oids.id_ce_basicConstraints, constraints.critical, basicConstraints(false)),
    );
  }
  if (keyUsage !== undefined) {
    nodes.push(extension(oids.id_ce_keyUsage, keyUsage.critical, keyUsageNode(keyUsage.bits)));
  }
  if (extKeyUsage !== undefined) {
    const purposes = fixed(encodeSequence(...extKeyUsage.purposes.map(encodeOid)));
    nodes.push(extension(oids.id_ce_extKeyUsage, extKeyUsage.critical, purposes));
  }
  if (extensions.subjectKeyIdentifier !== undefined) {
    const { method } = extensions.subjectKeyIdentifier;
    const identifier = subjectKeyIdentifier({ spkiSlot: tbsSlots.spki, method });
    nodes.push(extension(oids.id_ce_subjectKeyIdentifier, false, identifier));
  }
  if (extensions.authorityKeyIdentifier === true) {
    const identifier = authorityKeyIdentifier(issuerKeyIdentifier);
    nodes.push(extension(oids.id_ce_authorityKeyIdentifier, false, identifier));
  }
  if (subjectAltName !== undefined && withSubjectAltName) {
    const names = generalNames(...subjectAltName.names.map(alternativeNameNode));
    nodes.push(extension(oids.id_ce_subjectAltName, subjectAltName.critical, names));
  }
  nodes.push(...informationNodes(extensions));
  for (const { oid, critical, valueDerHex } of extensions.custom ?? []) {
    nodes.push(extension(oid, critical, fixed(Buffer.from(valueDerHex, 'hex'))));
  }
  return nodes;
}

function informationNodes(extensions: ProfileExtensions): TemplateNode[] {
  const nodes: TemplateNode[] = [];
  const { certificatePolicies: policies, crlDistributionPoints: points } = extensions;
  if (policies !== undefined) {
    const value = certificatePolicies(policies.policies);
    nodes.push(extension(oids.id_ce_certificatePolicies, policies.critical, value));
  }
  if (points !== undefined) {
    const value = crlDistributionPoints(points.uris.map(octetsOf));
    nodes.push(extension(oids.id_ce_cRLDistributionPoints, false, value));
  }
  if (extensions.authorityInfoAccess !== undefined) {
    const { ocsp, caIssuers } = extensions.authorityInfoAccess;
    const value = authorityInfoAccess({
      ocsp: ocsp.map(octetsOf),
      caIssuers: caIssuers.map(octetsOf),
    });
    nodes.push(extension(oids.id_pe_authorityInfoAccess, false, value));
  }
  return nodes;
}

function keyUsageNode(bits: readonly KeyUsageBit[]): TemplateNode {
  return fixed(encodeNamedBits(bits.map((bit) => keyUsageNames.indexOf(bit))));
}

function alternativeNameNode(name: SubjectAltName, index: number): TemplateNode {
  const slotName = `subjectAltName.${name.type}[${String(index)}]`;
  return optionalWhere(name.value, slotName, generalNameNode(name, slotName));
}

function generalNameNode(name: SubjectAltName, slotName: string): TemplateNode {
  const content = contentOf(name.value, slotName);
  switch (name.type) {
    case 'dNSName':
      return dNSName(content);
    case 'uniformResourceIdentifier':
      return uniformResourceIdentifier(content);
    case 'rfc822Name':
      return rfc822Name(content);
    case 'hardwareModuleName':
      return hardwareModuleName(
        name.hwType,
        name.hex && 'fixed' in name.value ? Buffer.from(name.value.fixed, 'hex') : content,
      );
  }
}

function contentOf(value: FieldValue, slotName: string): Content {
  return 'fixed' in value ? octetsOf(value.fixed) : { slot: slotName };
}

function octetsOf(text: string): Uint8Array {
  return Buffer.from(text, 'utf8');
}

function optionalWhere(value: FieldValue, slotName: string, node: TemplateNode): TemplateNode {
  return 'fixed' in value || value.required ? node : optional(slotName, node);
}
