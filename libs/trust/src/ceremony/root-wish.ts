import { durationSeconds } from '@certmill/domain';
import { constraintsOfTexts } from '../hierarchy/ca-constraints.js';
import { type CaProfile, caOfProfile, caProfiles } from '../hierarchy/ca-profiles.js';
import { distinguishedNameDer, parseDistinguishedName } from '../hierarchy/distinguished-name.js';
import { type CaCertificateSpec, noExpirationMs } from '../hierarchy/issue-ca-certificate.js';
import type { StepOf } from './ceremony-file.js';

/** What the step says of the certificate. INVALID_INPUT where it cannot be said, or not of the profile. */
export function rootOf(step: StepOf<'make-root'>): Omit<
  CaCertificateSpec,
  'serialNumber' | 'notBeforeMs' | 'notAfterMs'
> & {
  readonly profile?: CaProfile;
} {
  const { key: keyType, pathLength } = step;
  const subject = parseDistinguishedName(step.subject);
  const constraints = constraintsOfTexts(step);
  if (step.profile !== 'root') {
    const wished = { subject, keyType, pathLenConstraint: pathLength };
    const { profile, subjectDer, pathLenConstraint } = caOfProfile(
      caProfiles[step.profile],
      wished,
    );
    return { ...constraints, profile, subjectDer, pathLenConstraint };
  }
  return {
    ...constraints,
    subjectDer: distinguishedNameDer(subject),
    ...(pathLength === undefined ? {} : { pathLenConstraint: pathLength }),
  };
}

/** The last second of a validity (RFC 5280 4.1.2.5: both ends included). */
export function rootEndOf(validity: StepOf<'make-root'>['validity'], notBeforeMs: number): number {
  const { lifetime, notAfter } = validity;
  if (lifetime !== undefined) return notBeforeMs + (durationSeconds(lifetime) - 1) * 1_000;
  return notAfter === undefined || notAfter === 'never' ? noExpirationMs : Date.parse(notAfter);
}
