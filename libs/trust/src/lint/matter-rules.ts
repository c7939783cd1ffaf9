import {
  contextPrimitive,
  isMatterId,
  matterIdsOf,
  oids,
  signatureAlgorithmDer,
  tags,
} from '@certmill/der';
import {
  findExtension,
  isSelfIssued,
  keyUsageBits,
  type LintedCertificate,
  pathLengthOf,
  saysCa,
  usageBit,
} from './linted-certificate.js';
import { type LintContext, type LintRule, type LintStandard, when } from './lint-rule.js';

/** Device attestation certificate, its intermediate, and the product attestation authority. */
type MatterRole = 'dac' | 'pai' | 'paa';

const maxMatterOctets = 600;
const keyIdentifierOctets = 20;
/** Matter Core Specification, where the format of each is. */
const sections: Readonly<Record<MatterRole, string>> = {
  dac: '6.2.2.3',
  pai: '6.2.2.4',
  paa: '6.2.2.5',
};

const roles: Partial<Record<LintStandard, MatterRole>> = {
  'matter-dac': 'dac',
  'matter-pai': 'pai',
  'matter-paa': 'paa',
};

/** A device certificate with Matter's ids is held to Matter's rules whether its profile says so or not. */
function matterRoleOf(
  certificate: LintedCertificate,
  { conformsTo, role }: LintContext,
): MatterRole | undefined {
  const claimed = conformsTo === undefined ? undefined : roles[conformsTo];
  if (claimed !== undefined || role === 'ca') return claimed;
  return certificate.subjectAttributes.some(isMatterId) ? 'dac' : undefined;
}

type MatterCheck = (certificate: LintedCertificate, context: LintContext) => readonly string[];

/** A rule of one of the three formats. */
function matter(role: MatterRole, id: string, check: MatterCheck): LintRule {
  return {
    id: `${role}-${id}`,
    clause: `Matter Core Specification ${sections[role]}`,
    check: (certificate, context) =>
      matterRoleOf(certificate, context) === role ? check(certificate, context) : [],
  };
}

/** A rule that all three have, each with its own id and clause. */
function allMatter(id: string, check: MatterCheck): readonly LintRule[] {
  return (['dac', 'pai', 'paa'] as const).map((role) => matter(role, id, check));
}

function usageProblems(
  certificate: LintedCertificate,
  required: readonly number[],
  allowed: readonly number[],
  expected: string,
): readonly string[] {
  const bits = keyUsageBits(certificate);
  const isRight =
    bits !== undefined &&
    findExtension(certificate, oids.id_ce_keyUsage)?.critical === true &&
    required.every((bit) => bits.has(bit)) &&
    [...bits].every((bit) => required.includes(bit) || allowed.includes(bit));
  return when(!isRight, `keyUsage is there, critical and ${expected}`);
}

const caUsages = [usageBit.keyCertSign, usageBit.cRLSign];
const caUsageText = 'keyCertSign and cRLSign, with digitalSignature at most';

function constraintsProblems(
  certificate: LintedCertificate,
  pathLengths: readonly (number | undefined)[],
  expected: string,
): readonly string[] {
  const constraints = findExtension(certificate, oids.id_ce_basicConstraints);
  const isRight =
    constraints?.critical === true &&
    saysCa(certificate) &&
    pathLengths.includes(pathLengthOf(certificate));
  return when(!isRight, `basicConstraints is there, critical, cA TRUE, ${expected}`);
}

function subjectKeyIdentifierProblems(certificate: LintedCertificate): readonly string[] {
  const value = findExtension(certificate, oids.id_ce_subjectKeyIdentifier)?.value;
  return when(
    value?.tag !== tags.octetString || value.content.length !== keyIdentifierOctets,
    'subjectKeyIdentifier is there, with 20 octets',
  );
}

function authorityKeyIdentifierProblems(certificate: LintedCertificate): readonly string[] {
  const value = findExtension(certificate, oids.id_ce_authorityKeyIdentifier)?.value;
  const identifier = value?.children.find(({ tag }) => tag === contextPrimitive(0));
  return when(
    value?.tag !== tags.sequence || identifier?.content.length !== keyIdentifierOctets,
    'authorityKeyIdentifier is there, with a keyIdentifier of 20 octets',
  );
}

function subjectAndIssuerIds({ subjectAttributes, issuerAttributes }: LintedCertificate) {
  return { subject: matterIdsOf(subjectAttributes), issuer: matterIdsOf(issuerAttributes) };
}

/** Where the issuer's Name has an id, the subject has the same. */
function issuerIdProblems(certificate: LintedCertificate): readonly string[] {
  const { subject, issuer } = subjectAndIssuerIds(certificate);
  return [
    ...issuer.problems.map((problem) => `in the issuer's name, ${problem}`),
    ...when(
      issuer.vendorId !== undefined && issuer.vendorId !== subject.vendorId,
      'the vendor id differs from that of the issuer',
    ),
    ...when(
      issuer.productId !== undefined && issuer.productId !== subject.productId,
      'the product id differs from that of the issuer',
    ),
  ];
}

/**
 * Matter's attestation format: device attestation certificate (DAC), its intermediate (PAI) and the
 * product attestation authority (PAA). What two of them must share is in `lintMatterAttestation`.
 */
export const matterRules: readonly LintRule[] = [
  ...allMatter('ids-encoding', ({ subjectAttributes }) => matterIdsOf(subjectAttributes).problems),
  matter('dac', 'ids', (certificate) => {
    const { subject } = subjectAndIssuerIds(certificate);
    return [
      ...when(subject.vendorId === undefined, 'the subject holds exactly one vendor id'),
      ...when(subject.productId === undefined, 'the subject holds exactly one product id'),
      ...issuerIdProblems(certificate),
    ];
  }),
  matter('pai', 'ids', (certificate) => {
    const { subject, issuer } = subjectAndIssuerIds(certificate);
    return [
      ...when(subject.vendorId === undefined, 'the subject holds exactly one vendor id'),
      ...when(issuer.productId !== undefined, 'the name of a PAA holds no product id'),
      ...issuerIdProblems(certificate),
    ];
  }),
  matter('paa', 'ids', ({ subjectAttributes }) =>
    when(
      matterIdsOf(subjectAttributes).productId !== undefined,
      'the subject of a PAA holds no product id',
    ),
  ),
  matter('paa', 'self-issued', (certificate) =>
    when(!isSelfIssued(certificate), 'a PAA is its own issuer'),
  ),
  ...allMatter('version', ({ version }) => when(version !== 2, 'the version is 3')),
  ...allMatter('key', ({ keyFamily, tbsSignatureAlgorithm }) => [
    ...when(keyFamily !== 'ec-p256', 'the key is on P-256'),
    ...when(
      Buffer.compare(tbsSignatureAlgorithm.der, signatureAlgorithmDer('ecdsa-sha256')) !== 0,
      'the signature is ECDSA with SHA-256',
    ),
  ]),
  matter('dac', 'basic-constraints', (certificate) => {
    const constraints = findExtension(certificate, oids.id_ce_basicConstraints);
    return when(
      constraints?.critical !== true ||
        saysCa(certificate) ||
        (constraints.value?.children.length ?? 1) > 0,
      'basicConstraints is there, critical, cA FALSE and without a path length',
    );
  }),
  matter('pai', 'basic-constraints', (certificate) =>
    constraintsProblems(certificate, [0], 'with a path length of 0'),
  ),
  matter('paa', 'basic-constraints', (certificate) =>
    constraintsProblems(certificate, [1, undefined], 'with a path length of 1 or none'),
  ),
  matter('dac', 'key-usage', (certificate) =>
    usageProblems(certificate, [usageBit.digitalSignature], [], 'digitalSignature alone'),
  ),
  matter('pai', 'key-usage', (certificate) =>
    usageProblems(certificate, caUsages, [usageBit.digitalSignature], caUsageText),
  ),
  matter('paa', 'key-usage', (certificate) =>
    usageProblems(certificate, caUsages, [usageBit.digitalSignature], caUsageText),
  ),
  ...allMatter('subject-key-identifier', subjectKeyIdentifierProblems),
  matter('dac', 'authority-key-identifier', authorityKeyIdentifierProblems),
  matter('pai', 'authority-key-identifier', authorityKeyIdentifierProblems),
  {
    id: 'matter-size',
    clause: 'Matter Core Specification 6.1.3',
    check: (certificate, context) =>
      when(
        matterRoleOf(certificate, context) !== undefined &&
          certificate.der.length > maxMatterOctets,
        `the certificate has ${String(certificate.der.length)} octets, at most 600 are allowed`,
      ),
  },
];
