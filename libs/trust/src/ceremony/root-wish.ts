import { generateKeyPairSync } from 'node:crypto';
import {
  CertmillError,
  durationSeconds,
  statusAddresses,
  type StatusAddresses,
} from '@certmill/domain';
import { constraintsOfTexts } from '../hierarchy/ca-constraints.js';
import { caSignerOf } from '../hierarchy/ca-key.js';
import {
  assertIssuable,
  type CaProfile,
  caOfProfile,
  caProfiles,
} from '../hierarchy/ca-profiles.js';
import { distinguishedNameDer, parseDistinguishedName } from '../hierarchy/distinguished-name.js';
import {
  type CaCertificateSpec,
  newCaSerialNumber,
  noExpirationMs,
} from '../hierarchy/issue-ca-certificate.js';
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

/** Where the status of what the root signs is told. INVALID_INPUT as `statusAddresses`. */
export function rootStatusOf({
  statusUrl,
  crlShards,
}: StepOf<'make-root'>): StatusAddresses | undefined {
  if (statusUrl !== undefined) return statusAddresses(statusUrl, crlShards ?? 0);
  if (crlShards === undefined) return undefined;
  throw new CertmillError('INVALID_INPUT', 'crlShards needs a statusUrl');
}

/**
 * Writes and judges the certificate that the step would make, with another key: INVALID_INPUT for
 * everything that it would be refused for.
 */
export function assertRootCanBeMade(step: StepOf<'make-root'>, notBeforeMs: number): void {
  rootStatusOf(step);
  const { profile, ...said } = rootOf(step);
  // Of any type: what else a profile asks of the key is asked of its name.
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const spkiDer = publicKey.export({ format: 'der', type: 'spki' });
  const notAfterMs = rootEndOf(step.validity, notBeforeMs);
  assertIssuable(
    profile,
    { ...said, serialNumber: newCaSerialNumber(), notBeforeMs, notAfterMs },
    spkiDer,
    { signer: caSignerOf(privateKey, spkiDer) },
  );
}

/** The last second of a validity (RFC 5280 4.1.2.5: both ends included). */
export function rootEndOf(validity: StepOf<'make-root'>['validity'], notBeforeMs: number): number {
  const { lifetime, notAfter } = validity;
  if (lifetime !== undefined) return notBeforeMs + (durationSeconds(lifetime) - 1) * 1_000;
  return notAfter === undefined || notAfter === 'never' ? noExpirationMs : Date.parse(notAfter);
}
