import { contextConstructed, contextPrimitive, oids, tags } from '@certmill/der';
import { type DerNode, latin1, oidOf } from './der-node.js';
import {
  findExtension,
  isSelfIssued,
  type LintedCertificate,
  repeatedExtensions,
} from './linted-certificate.js';
import { type LintRule, when } from './lint-rule.js';
import { uriProblem } from './general-name-rules.js';

const id_ce_subjectDirectoryAttributes = '2.5.29.9';
const uriTag = contextPrimitive(6);

/** One rule per extension that only a CA's certificate may have. */
function caOnly(oid: string, name: string, clause: string): LintRule {
  return {
    id: `no-${name}`,
    clause,
    check: (certificate, { role }) =>
      when(
        role !== 'ca' && findExtension(certificate, oid) !== undefined,
        `${name} has a meaning in CA certificates only`,
      ),
  };
}

function neverCritical(oid: string, name: string, clause: string): LintRule {
  return {
    id: `${name}-not-critical`,
    clause,
    check: (certificate) =>
      when(findExtension(certificate, oid)?.critical === true, `${name} must not be critical`),
  };
}

function uriProblems(nodes: readonly DerNode[], name: string): readonly string[] {
  return nodes
    .filter((node) => node.tag === uriTag)
    .flatMap((node) => uriProblem(latin1(node)) ?? [])
    .map((problem) => `${name}: ${problem}`);
}

function policiesOf(certificate: LintedCertificate): readonly string[] {
  const policies = findExtension(certificate, oids.id_ce_certificatePolicies);
  return (policies?.value?.children ?? []).flatMap((policy) => oidOf(policy.children[0]) ?? []);
}

/** Extensions: RFC 5280 4.2. */
export const extensionRules: readonly LintRule[] = [
  {
    id: 'extension-once',
    clause: 'RFC 5280 4.2',
    check: ({ extensions }) =>
      repeatedExtensions(extensions).flatMap((oid) =>
        when(true, `the extension ${oid} stands twice`),
      ),
  },
  {
    id: 'extension-value-is-der',
    clause: 'RFC 5280 4.2',
    check: ({ extensions }) =>
      extensions.flatMap(({ oid, value }) =>
        when(value === undefined, `the value of the extension ${oid} is not DER`),
      ),
  },
  {
    id: 'authority-key-identifier',
    clause: 'RFC 5280 4.2.1.1',
    check: (certificate, { issuerKeyIdentifier }) => {
      const extension = findExtension(certificate, oids.id_ce_authorityKeyIdentifier);
      if (extension === undefined) {
        return when(!isSelfIssued(certificate), 'authorityKeyIdentifier is missing');
      }
      const identifier = extension.value?.children.find(
        (child) => child.tag === contextPrimitive(0),
      );
      if (identifier === undefined) return ['authorityKeyIdentifier has no keyIdentifier'];
      return when(
        issuerKeyIdentifier !== undefined &&
          Buffer.compare(identifier.content, issuerKeyIdentifier) !== 0,
        'authorityKeyIdentifier is not that of the issuer',
      );
    },
  },
  neverCritical(oids.id_ce_authorityKeyIdentifier, 'authorityKeyIdentifier', 'RFC 5280 4.2.1.1'),
  neverCritical(oids.id_ce_subjectKeyIdentifier, 'subjectKeyIdentifier', 'RFC 5280 4.2.1.2'),
  {
    id: 'subject-key-identifier-octets',
    clause: 'RFC 5280 4.2.1.2',
    check: (certificate) => {
      const identifier = findExtension(certificate, oids.id_ce_subjectKeyIdentifier);
      return when(
        identifier?.value !== undefined &&
          (identifier.value.tag !== tags.octetString || identifier.value.content.length === 0),
        'subjectKeyIdentifier is not an OCTET STRING with content',
      );
    },
  },
  {
    id: 'policies-not-empty',
    clause: 'RFC 5280 4.2.1.4',
    check: (certificate) => {
      const policies = findExtension(certificate, oids.id_ce_certificatePolicies);
      return when(policies?.value?.children.length === 0, 'certificatePolicies holds no policy');
    },
  },
  {
    id: 'policies-distinct',
    clause: 'RFC 5280 4.2.1.4',
    check: (certificate) => {
      const policies = policiesOf(certificate);
      return when(new Set(policies).size < policies.length, 'a certificate policy stands twice');
    },
  },
  caOnly(oids.id_ce_policyMappings, 'policyMappings', 'RFC 5280 4.2.1.5'),
  neverCritical(id_ce_subjectDirectoryAttributes, 'subjectDirectoryAttributes', 'RFC 5280 4.2.1.8'),
  caOnly(oids.id_ce_nameConstraints, 'nameConstraints', 'RFC 5280 4.2.1.10'),
  caOnly(oids.id_ce_policyConstraints, 'policyConstraints', 'RFC 5280 4.2.1.11'),
  {
    id: 'distribution-points',
    clause: 'RFC 5280 4.2.1.13',
    check: (certificate) => {
      const points = findExtension(certificate, oids.id_ce_cRLDistributionPoints);
      if (points?.value === undefined) return [];
      const { children } = points.value;
      if (children.length === 0) return ['cRLDistributionPoints holds no point'];
      return children.flatMap((point) => {
        const [name] = point.children;
        const names = name?.tag === contextConstructed(0) ? (name.children[0]?.children ?? []) : [];
        return names.length === 0
          ? ['a distribution point holds no name']
          : uriProblems(names, 'cRLDistributionPoints');
      });
    },
  },
  caOnly(oids.id_ce_inhibitAnyPolicy, 'inhibitAnyPolicy', 'RFC 5280 4.2.1.14'),
  neverCritical(oids.id_ce_freshestCRL, 'freshestCRL', 'RFC 5280 4.2.1.15'),
  neverCritical(oids.id_pe_authorityInfoAccess, 'authorityInfoAccess', 'RFC 5280 4.2.2.1'),
  {
    id: 'access-descriptions',
    clause: 'RFC 5280 4.2.2.1',
    check: (certificate) => {
      const access = findExtension(certificate, oids.id_pe_authorityInfoAccess);
      if (access?.value === undefined) return [];
      if (access.value.children.length === 0) return ['authorityInfoAccess holds no description'];
      const locations = access.value.children.flatMap((description) =>
        description.children.slice(1),
      );
      return uriProblems(locations, 'authorityInfoAccess');
    },
  },
  neverCritical(oids.id_pe_subjectInfoAccess, 'subjectInfoAccess', 'RFC 5280 4.2.2.2'),
];
