import { contextConstructed, contextPrimitive, keyUsageNames, oids, tags } from '@certmill/der';
import { crlReasonOf } from '@certmill/domain';
import { type DerNode, oidOf, readDerNode } from '../lint/der-node.js';
import type { LintedExtension } from '../lint/linted-certificate.js';
import { oidName } from './oid-names.js';
import {
  hexOf,
  integerView,
  nameView,
  oidsIn,
  rawView,
  textOf,
  timeView,
  type View,
} from './view.js';

/** What an extension says, by its OID; one that is not here is shown as DER. */
const decoders: Readonly<Record<string, (value: DerNode) => View>> = {
  [oids.id_ce_basicConstraints]: (value) => {
    const [first, second] = value.children;
    const cA = first?.tag === tags.boolean && first.content[0] !== 0;
    const pathLength = first?.tag === tags.integer ? first : second;
    return {
      cA,
      pathLenConstraint: pathLength === undefined ? undefined : integerView(pathLength),
    };
  },
  [oids.id_ce_keyUsage]: (value) => namedBits(value, keyUsageNames),
  [oids.id_ce_extKeyUsage]: (value) => oidsIn(value.children).map(oidName),
  [oids.id_ce_subjectKeyIdentifier]: (value) => hexOf(value.content),
  [oids.id_ce_authorityKeyIdentifier]: authorityKeyIdentifier,
  [oids.id_ce_subjectAltName]: (value) => value.children.map(generalName),
  [oids.id_ce_issuerAltName]: (value) => value.children.map(generalName),
  [oids.id_ce_certificatePolicies]: (value) => value.children.map(policy),
  [oids.id_ce_nameConstraints]: (value) => ({
    permittedSubtrees: subtrees(value, contextConstructed(0)),
    excludedSubtrees: subtrees(value, contextConstructed(1)),
  }),
  [oids.id_ce_policyConstraints]: (value) => ({
    requireExplicitPolicy: contextInteger(value, 0),
    inhibitPolicyMapping: contextInteger(value, 1),
  }),
  [oids.id_ce_inhibitAnyPolicy]: integerView,
  [oids.id_ce_cRLDistributionPoints]: (value) => value.children.map(distributionPoint),
  [oids.id_ce_freshestCRL]: (value) => value.children.map(distributionPoint),
  [oids.id_pe_authorityInfoAccess]: (value) => value.children.map(accessDescription),
  [oids.id_pe_subjectInfoAccess]: (value) => value.children.map(accessDescription),
  '2.5.29.20': integerView,
  '2.5.29.21': (value) => crlReasonName(value.content[0] ?? -1),
  '2.5.29.24': timeView,
  '2.5.29.27': integerView,
  '2.5.29.28': issuingDistributionPoint,
  '2.5.29.29': (value) => value.children.map(generalName),
  '1.3.6.1.5.5.7.48.1.5': () => 'the certificate is not to be checked for revocation',
  '1.3.6.1.5.5.7.48.1.2': (value) => hexOf(value.content),
};

/** Bits of ReasonFlags (RFC 5280 4.2.1.13). */
const reasonFlags = [
  'unused',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'privilegeWithdrawn',
  'aACompromise',
];

/** RFC 5280 5.3.1. */
export function crlReasonName(number: number): string {
  return crlReasonOf(number) ?? `reason ${String(number)}`;
}

export interface ExtensionView {
  readonly [field: string]: View;
  readonly name: string;
  readonly oid: string;
  readonly critical: boolean;
  readonly value: View;
}

export function extensionsView(extensions: readonly LintedExtension[]): readonly ExtensionView[] {
  return extensions.map(({ oid, critical, value }) => ({
    name: oidName(oid),
    oid,
    critical,
    value: value === undefined ? 'not DER' : extensionValue(oid, value),
  }));
}

function extensionValue(oid: string, value: DerNode): View {
  return decoders[oid]?.(value) ?? rawView(value);
}

/** Extensions of a list or a response, which stand there as elements of their own. */
export function extensionsOf(list: DerNode | undefined): readonly LintedExtension[] {
  return (list?.children ?? []).map((extension) => {
    const octets = extension.children.find(({ tag }) => tag === tags.octetString);
    return {
      oid: oidOf(extension.children[0]) ?? '',
      critical: extension.children.some(
        ({ tag, content }) => tag === tags.boolean && content[0] !== 0,
      ),
      value: octets === undefined ? undefined : readDerNode(octets.content),
    };
  });
}

function namedBits({ content }: DerNode, names: readonly string[]): readonly string[] {
  return names.filter((_, bit) => ((content[1 + (bit >> 3)] ?? 0) & (0x80 >> (bit & 7))) !== 0);
}

function authorityKeyIdentifier(value: DerNode): View {
  const part = (tag: number) => value.children.find((child) => child.tag === tag);
  const identifier = part(contextPrimitive(0));
  const issuer = part(contextConstructed(1));
  const serialNumber = part(contextPrimitive(2));
  return {
    keyIdentifier: identifier && hexOf(identifier.content),
    authorityCertIssuer: issuer?.children.map(generalName),
    authorityCertSerialNumber: serialNumber && hexOf(serialNumber.content),
  };
}

function contextInteger(value: DerNode, number: number): View | undefined {
  const found = value.children.find(({ tag }) => tag === contextPrimitive(number));
  return found && integerView(found);
}

function policy(information: DerNode): View {
  const [identifier, qualifiers] = information.children;
  return {
    policy: oidName(oidOf(identifier) ?? ''),
    qualifiers: qualifiers?.children.map((qualifier) => {
      const [type, value] = qualifier.children;
      return {
        type: oidName(oidOf(type) ?? ''),
        value:
          value === undefined ? '' : value.children.length > 0 ? rawView(value) : textOf(value),
      };
    }),
  };
}

function subtrees(constraints: DerNode, tag: number): View | undefined {
  const list = constraints.children.find((child) => child.tag === tag);
  return list?.children.flatMap(({ children: [base] }) =>
    base === undefined ? [] : [generalNameWith(base, addressAndMask)],
  );
}

function accessDescription(description: DerNode): View {
  const [method, location] = description.children;
  return {
    method: oidName(oidOf(method) ?? ''),
    location: location === undefined ? '' : generalName(location),
  };
}

function distributionPoint(point: DerNode): View {
  const part = (tag: number) => point.children.find((child) => child.tag === tag);
  const reasons = part(contextPrimitive(1));
  return {
    name: distributionPointName(part(contextConstructed(0))),
    reasons: reasons && namedBits(reasons, reasonFlags),
    cRLIssuer: part(contextConstructed(2))?.children.map(generalName),
  };
}

/** `fullName [0] GeneralNames` or `nameRelativeToCRLIssuer [1]`. */
function distributionPointName(name: DerNode | undefined): View | undefined {
  const [choice] = name?.children ?? [];
  if (choice === undefined) return undefined;
  return choice.tag === contextConstructed(0) ? choice.children.map(generalName) : rawView(choice);
}

/** RFC 5280 5.2.5. */
function issuingDistributionPoint(value: DerNode): View {
  const flag = (number: number): true | undefined =>
    value.children.some(
      ({ tag, content }) => tag === contextPrimitive(number) && content[0] !== 0,
    ) || undefined;
  const name = value.children.find(({ tag }) => tag === contextConstructed(0));
  const reasons = value.children.find(({ tag }) => tag === contextPrimitive(3));
  return {
    distributionPoint: distributionPointName(name),
    onlyContainsUserCerts: flag(1),
    onlyContainsCACerts: flag(2),
    onlySomeReasons: reasons && namedBits(reasons, reasonFlags),
    indirectCRL: flag(4),
    onlyContainsAttributeCerts: flag(5),
  };
}

/** `kind:value`, the kinds of RFC 5280 4.2.1.6. */
export function generalName(name: DerNode): View {
  return generalNameWith(name, address);
}

function generalNameWith(name: DerNode, addressView: (octets: Uint8Array) => string): View {
  switch (name.tag) {
    case contextPrimitive(1):
      return `rfc822Name:${textOf(name)}`;
    case contextPrimitive(2):
      return `dNSName:${textOf(name)}`;
    case contextPrimitive(6):
      return `uniformResourceIdentifier:${textOf(name)}`;
    case contextPrimitive(7):
      return `iPAddress:${addressView(name.content)}`;
    case contextPrimitive(8):
      return `registeredID:${oidOf({ ...name, tag: tags.objectIdentifier }) ?? hexOf(name.content)}`;
    case contextConstructed(4):
      return `directoryName:${name.children[0] === undefined ? '' : nameView(name.children[0])}`;
    case contextConstructed(0):
      return otherName(name);
    default:
      return rawView(name);
  }
}

function otherName(name: DerNode): View {
  const type = oidOf(name.children[0]) ?? '';
  const value = name.children[1]?.children[0];
  if (type === oids.id_on_hardwareModuleName && value !== undefined) {
    const [hwType, hwSerialNum] = value.children;
    const octets = hwSerialNum?.content ?? new Uint8Array();
    return {
      hardwareModuleName: {
        hwType: oidName(oidOf(hwType) ?? ''),
        hwSerialNum: hexOf(octets),
        hwSerialNumText: /^[\x20-\x7e]+$/.test(Buffer.from(octets).toString('latin1'))
          ? Buffer.from(octets).toString('latin1')
          : undefined,
      },
    };
  }
  return { otherName: oidName(type), value: value === undefined ? '' : otherValue(value) };
}

function otherValue(value: DerNode): View {
  return value.children.length > 0 ? rawView(value) : textOf(value);
}

function address(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join('.');
  if (octets.length !== 16) return `#${hexOf(octets)}`;
  const groups = hexOf(octets).match(/.{4}/g) ?? [];
  return groups.map((group) => group.replace(/^0{1,3}/, '')).join(':');
}

export function addressAndMask(octets: Uint8Array): string {
  const half = octets.length / 2;
  return `${address(octets.subarray(0, half))}/${address(octets.subarray(half))}`;
}
