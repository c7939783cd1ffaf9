import { CertmillError, type Profile } from '@certmill/domain';
import { isMatterIssuer } from '@certmill/pipeline/compute';
import { caProfiles, lintCaCertificate } from '../hierarchy/ca-profiles.js';
import type { Issuer } from '../hierarchy/load-issuers.js';
import type { LintFinding } from '../lint/lint-rule.js';
import { findingText } from './admit-profile.js';

const onlyAttests: LintFinding = {
  rule: 'matter-issuer-attests-only',
  clause: 'Matter Core Specification 6.2.2.4',
  detail:
    'the issuer has a vendor id: it is a product attestation authority, for device attestation certificates only',
};

/**
 * What a standard that the profile promises asks of its issuers' own certificates, and this one does not
 * have: an attestation certificate of Matter is worth nothing under a CA that is no PAI, and a PAI signs
 * nothing else. Empty: it fits.
 */
export function lintAgainstIssuer(profile: Profile, issuer: Issuer): readonly LintFinding[] {
  if (profile.conformsTo !== 'matter-dac') {
    return isMatterIssuer(issuer.subjectDer) ? [onlyAttests] : [];
  }
  return lintCaCertificate(caProfiles['matter-pai'], issuer.chainDer[0] ?? new Uint8Array());
}

/** PROFILE_INVALID with one line per finding of `lintAgainstIssuer`. */
export function assertFitsIssuer(profile: Profile, issuer: Issuer): void {
  const findings = lintAgainstIssuer(profile, issuer);
  if (findings.length === 0) return;
  const lines = findings.map((finding) => `  ${findingText(finding)}`);
  throw new CertmillError(
    'PROFILE_INVALID',
    [`profile ${profile.name} does not fit the issuer ${issuer.name}:`, ...lines].join('\n'),
  );
}
