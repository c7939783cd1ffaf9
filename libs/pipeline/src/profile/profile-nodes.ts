import {
  caIssuersUriOf,
  ocspUriOf,
  type FieldValue,
  type KeyUsageBit,
  type Profile,
  type ProfileExtensions,
  type StatusAddresses,
  type SubjectAltName,
  type SubjectAttribute,
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

/** Slot for the URI of the CRL that a certificate of the issuer's shards is on. */
export const crlUriSlot = 'crlUri';

/** What extensions say of the issuer. */
export interface ExtensionsIssuer {
  readonly name: string;
  readonly keyIdentifier: Uint8Array;
  readonly status?: StatusAddresses;
}

/** The extensions in the order in which they stand in the certificate. */
export function extensionNodes(
  extensions: ProfileExtensions,
  issuer: ExtensionsIssuer,
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
    const identifier = authorityKeyIdentifier(issuer.keyIdentifier);
    nodes.push(extension(oids.id_ce_authorityKeyIdentifier, false, identifier));
  }
  if (subjectAltName !== undefined && withSubjectAltName) {
    const names = generalNames(...subjectAltName.names.map(alternativeNameNode));
    nodes.push(extension(oids.id_ce_subjectAltName, subjectAltName.critical, names));
  }
  nodes.push(...informationNodes(extensions, issuer));
  for (const { oid, critical, valueDerHex } of extensions.custom ?? []) {
    nodes.push(extension(oid, critical, fixed(Buffer.from(valueDerHex, 'hex'))));
  }
  return nodes;
}

function informationNodes(extensions: ProfileExtensions, issuer: ExtensionsIssuer): TemplateNode[] {
  const nodes: TemplateNode[] = [];
  const { certificatePolicies: policies } = extensions;
  if (policies !== undefined) {
    const value = certificatePolicies(policies.policies);
    nodes.push(extension(oids.id_ce_certificatePolicies, policies.critical, value));
  }
  const points = distributionPointsOf(extensions, issuer);
  if (points !== undefined) {
    const value = crlDistributionPoints(points);
    nodes.push(extension(oids.id_ce_cRLDistributionPoints, false, value));
  }
  const access = accessOf(extensions, issuer);
  if (access !== undefined) {
    const value = authorityInfoAccess({
      ocsp: access.ocsp.map(octetsOf),
      caIssuers: access.caIssuers.map(octetsOf),
    });
    nodes.push(extension(oids.id_pe_authorityInfoAccess, false, value));
  }
  return nodes;
}

function distributionPointsOf(
  { crlDistributionPoints: points }: ProfileExtensions,
  { status }: ExtensionsIssuer,
): readonly Content[] | undefined {
  if (points === undefined || 'uris' in points) return points?.uris.map(octetsOf);
  return status === undefined ? undefined : [{ slot: crlUriSlot }];
}

function accessOf(
  { authorityInfoAccess: access }: ProfileExtensions,
  { name, status }: ExtensionsIssuer,
): { readonly ocsp: readonly string[]; readonly caIssuers: readonly string[] } | undefined {
  if (access === undefined || 'ocsp' in access) return access;
  if (status === undefined) return undefined;
  return { ocsp: [ocspUriOf(status)], caIssuers: [caIssuersUriOf(status, name)] };
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
