import { CertmillError, type SubjectAttributeType } from '@certmill/domain';
import type { LintFinding, LintStandard } from '../lint/lint-rule.js';
import { lintCertificate } from '../lint/lint-certificate.js';
import type { IssuerKeyType } from '../keys/key-types.js';
import { type DistinguishedName, distinguishedNameDer } from './distinguished-name.js';
import {
  type CaCertificateSpec,
  type CaParent,
  draftCaCertificate,
  issueCaCertificate,
} from './issue-ca-certificate.js';

/** What a standard asks of one kind of CA. */
export interface CaProfile {
  readonly name: CaProfileName;
  readonly description: string;
  readonly conformsTo: LintStandard;
  /** Key types that the CA may have. */
  readonly keyTypes: readonly IssuerKeyType[];
  /** What the CA above it is; absent: it signs itself. */
  readonly below?: CaProfileName;
  readonly pathLenConstraint: number;
  /** Attributes of the subject, each at most once, with the form of their values where there is one. */
  readonly subject: readonly {
    readonly type: SubjectAttributeType;
    readonly required: boolean;
    readonly pattern?: RegExp;
  }[];
}

/** Ecdsa-Sig-Value (RFC 3279 2.2.3) of P-256, which is what all of the profiles sign with. */
const maxSignatureOctets = 72;
const fourHexDigits = /^[0-9A-F]{4}$/;

export type CaProfileName = 'matter-paa' | 'matter-pai';

/** CA profiles by name: `matter-paa` and `matter-pai` (Matter Core Specification 6.2.2.4, 6.2.2.5). */
export const caProfiles: Readonly<Record<CaProfileName, CaProfile>> = {
  'matter-paa': {
    name: 'matter-paa',
    description: 'Matter product attestation authority (PAA): a root, of one vendor or of none.',
    conformsTo: 'matter-paa',
    keyTypes: ['ec-p256'],
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
    below: 'matter-paa',
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

/** What somebody wants a CA of the profile to be. */
export interface CaProfileInput {
  readonly subject: DistinguishedName;
  readonly keyType: IssuerKeyType;
  readonly pathLenConstraint?: number | undefined;
}

/** What the profile makes of it: a part of an `AuthorityWish`. */
export interface ProfiledCa {
  readonly profile: CaProfile;
  readonly subjectDer: Uint8Array;
  readonly keyType: IssuerKeyType;
  readonly pathLenConstraint: number;
}

/** INVALID_INPUT where subject, key type or path length are none that the profile has. */
export function caOfProfile(profile: CaProfile, input: CaProfileInput): ProfiledCa {
  const { subject, keyType, pathLenConstraint = profile.pathLenConstraint } = input;
  if (!profile.keyTypes.includes(keyType)) {
    throw refusal(profile, `the key is ${profile.keyTypes.join(' or ')}, not ${keyType}`);
  }
  if (pathLenConstraint !== profile.pathLenConstraint) {
    throw refusal(profile, `the path length is ${String(profile.pathLenConstraint)}`);
  }
  assertSubject(profile, subject);
  return { profile, subjectDer: distinguishedNameDer(subject), keyType, pathLenConstraint };
}

/**
 * `issueCaCertificate`, and where the CA is to keep a profile, its linter before the key is used:
 * INVALID_INPUT with the first rule that the certificate, or the one above it, would break.
 */
export async function issueProfiledCaCertificate(
  profile: CaProfile | undefined,
  spec: CaCertificateSpec,
  subjectPKInfoDer: Uint8Array,
  parent: CaParent,
): Promise<Uint8Array> {
  if (profile !== undefined) assertIssuable(profile, spec, subjectPKInfoDer, parent);
  return issueCaCertificate(spec, subjectPKInfoDer, parent);
}

/** Throws what `issueProfiledCaCertificate` would, but of the signature; no key is used. */
export function assertIssuable(
  profile: CaProfile | undefined,
  spec: CaCertificateSpec,
  subjectPKInfoDer: Uint8Array,
  parent: CaParent,
): void {
  const draft = draftCaCertificate(spec, subjectPKInfoDer, parent, maxSignatureOctets);
  if (profile === undefined) return;
  assertKept(profile, draft, 'it');
  const [aboveDer] = parent.chainDer ?? [];
  if (profile.below !== undefined && aboveDer !== undefined) {
    assertKept(caProfiles[profile.below], aboveDer, 'the CA above');
  }
}

function assertKept(profile: CaProfile, certificateDer: Uint8Array, whose: string): void {
  const [finding] = lintCaCertificate(profile, certificateDer);
  if (finding === undefined) return;
  throw refusal(profile, `of ${whose}, ${finding.detail} (${finding.clause})`);
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
