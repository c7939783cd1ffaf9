import { CertmillError, type SubjectAttributeType } from '@certmill/domain';
import type { LintFinding, LintStandard } from '../lint/lint-rule.js';
import { lintCertificate } from '../lint/lint-certificate.js';
import type { IssuerKeyType } from '../keys/key-types.js';
import { type DistinguishedName, distinguishedNameDer } from './distinguished-name.js';
import { type CaCertificateSpec, noExpirationMs } from './issue-ca-certificate.js';

/** What a standard asks of one kind of CA: data that `caSpecOf` makes a certificate's spec from. */
export interface CaProfile {
  readonly name: string;
  readonly description: string;
  readonly conformsTo: LintStandard;
  /** Key types that the CA may have. */
  readonly keyTypes: readonly IssuerKeyType[];
  /** Whether it signs itself. */
  readonly isRoot: boolean;
  readonly pathLenConstraint: number;
  /** Attributes of the subject, each at most once, with the form of their values where there is one. */
  readonly subject: readonly {
    readonly type: SubjectAttributeType;
    readonly required: boolean;
    readonly pattern?: RegExp;
  }[];
}

const fourHexDigits = /^[0-9A-F]{4}$/;

/** CA profiles by name: `matter-paa` and `matter-pai` (Matter Core Specification 6.2.2.4, 6.2.2.5). */
export const caProfiles: Readonly<Record<'matter-paa' | 'matter-pai', CaProfile>> = {
  'matter-paa': {
    name: 'matter-paa',
    description: 'Matter product attestation authority (PAA): a root, of one vendor or of none.',
    conformsTo: 'matter-paa',
    keyTypes: ['ec-p256'],
    isRoot: true,
    pathLenConstraint: 1,
    subject: [
      { type: 'commonName', required: true },
      { type: 'organizationName', required: false },
      { type: 'countryName', required: false },
      { type: 'matterVendorId', required: false, pattern: fourHexDigits },
    ],
  },
  'matter-pai': {
    name: 'matter-pai',
    description: 'Matter product attestation intermediate (PAI): issues DACs of one vendor.',
    conformsTo: 'matter-pai',
    keyTypes: ['ec-p256'],
    isRoot: false,
    pathLenConstraint: 0,
    subject: [
      { type: 'commonName', required: true },
      { type: 'organizationName', required: false },
      { type: 'countryName', required: false },
      { type: 'matterVendorId', required: true, pattern: fourHexDigits },
      { type: 'matterProductId', required: false, pattern: fourHexDigits },
    ],
  },
};

/** What the caller says of one CA of the profile. */
export interface CaProfileInput {
  readonly subject: DistinguishedName;
  readonly keyType: IssuerKeyType;
  readonly serialNumber: Uint8Array;
  /** Whole seconds. */
  readonly notBeforeMs: number;
  /** By default no expiration. */
  readonly notAfterMs?: number;
}

/**
 * The spec of a CA certificate of the profile, for `issueCaCertificate`. INVALID_INPUT where the
 * subject or the key type is none that the profile has.
 */
export function caSpecOf(profile: CaProfile, input: CaProfileInput): CaCertificateSpec {
  const { subject, keyType, serialNumber, notBeforeMs, notAfterMs } = input;
  if (!profile.keyTypes.includes(keyType)) {
    throw refusal(profile, `the key is ${profile.keyTypes.join(' or ')}, not ${keyType}`);
  }
  assertSubject(profile, subject);
  return {
    subjectDer: distinguishedNameDer(subject),
    serialNumber,
    notBeforeMs,
    notAfterMs: notAfterMs ?? noExpirationMs,
    pathLenConstraint: profile.pathLenConstraint,
  };
}

/** What the linter says of a CA certificate that was made of the profile. */
export function lintCaCertificate(profile: CaProfile, der: Uint8Array): readonly LintFinding[] {
  return lintCertificate(der, { role: 'ca', conformsTo: profile.conformsTo });
}

function assertSubject(profile: CaProfile, subject: DistinguishedName): void {
  for (const { type, required, pattern } of profile.subject) {
    const values = subject.filter((attribute) => attribute.type === type);
    if (values.length > 1) throw refusal(profile, `${type} stands twice in the subject`);
    if (required && values.length === 0) throw refusal(profile, `the subject needs ${type}`);
    if (pattern !== undefined && values.some(({ value }) => !pattern.test(value))) {
      throw refusal(profile, `${type} is four upper-case hex digits`);
    }
  }
  const known = profile.subject.map(({ type }) => type);
  const other = subject.find(({ type }) => !known.includes(type));
  if (other !== undefined) throw refusal(profile, `the subject may not hold ${other.type}`);
}

function refusal({ name }: CaProfile, reason: string): CertmillError {
  return new CertmillError('INVALID_INPUT', `CA profile ${name}: ${reason}`);
}
