import { CertmillError, type Profile } from '@certmill/domain';
import { caProfiles, lintCaCertificate } from '../hierarchy/ca-profiles.js';
import type { Issuer } from '../hierarchy/load-issuers.js';
import type { LintFinding } from '../lint/lint-rule.js';
import { findingText } from './admit-profile.js';

/**
 * What a standard that the profile promises asks of its issuers' own certificates, and this one does not
 * have: an attestation certificate of Matter is worth nothing under a CA that is no PAI. Empty: it fits.
 */
export function lintAgainstIssuer(profile: Profile, issuer: Issuer): readonly LintFinding[] {
  if (profile.conformsTo !== 'matter-dac') return [];
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
