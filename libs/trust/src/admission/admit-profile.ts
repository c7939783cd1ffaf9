import { X509Certificate } from 'node:crypto';
import { CertmillError, isCertmillError, type Profile } from '@certmill/domain';
import { compileProfile, Turns } from '@certmill/pipeline/compute';
import { lintCertificate } from '../lint/lint-certificate.js';
import type { LintContext, LintFinding } from '../lint/lint-rule.js';
import type { x509 } from '../x509-library.js';
import { chunkBoundFindings } from './chunk-bound.js';
import { lintJitpParameters } from './jitp-template.js';
import {
  samplesInTurns,
  type SampleCertificate,
  type SampleIssuer,
} from './sample-certificates.js';

/**
 * Admits a profile for an issuer, or refuses it: sample certificates are made with a throw-away key
 * through the template that signing uses, linted, and read back with @peculiar/x509.
 * Resolves to the samples. Throws PROFILE_INVALID with one line per broken rule and its clause.
 */
export async function admitProfile(
  profile: Profile,
  issuer: SampleIssuer,
  nowMs: number,
): Promise<readonly SampleCertificate[]> {
  const samples = await orInvalid(() => soundSamples(profile, issuer, nowMs));
  // Only here, for it takes longer to load than all the rest.
  const library = (await import('../x509-library.js')).x509;
  const turns = new Turns();
  for (const sample of samples) {
    readBack(library, profile, issuer, sample);
    await turns.next();
  }
  // Samples are made of any profile; what signs for orders compiles fewer.
  compileProfile(profile, issuer);
  return samples;
}

/** What the linter says of a sample, in the profile's own context. */
export function lintSample(
  profile: Profile,
  issuer: SampleIssuer,
  sample: Pick<SampleCertificate, 'der'>,
): readonly LintFinding[] {
  const context: LintContext = {
    issuerKeyIdentifier: issuer.keyIdentifier,
    ...(profile.conformsTo === undefined ? {} : { conformsTo: profile.conformsTo }),
    ...(profile.maxCertificateBytes === undefined
      ? {}
      : { maxCertificateBytes: profile.maxCertificateBytes }),
  };
  return lintCertificate(sample.der, context);
}

/** For people. */
export function findingText({ clause, detail }: LintFinding): string {
  return `${clause}: ${detail}`;
}

/** Each sample of a profile has its findings; whoever has seen so many knows what is wrong. */
const maxBadSamples = 20;

/** Samples that break no rule; PROFILE_INVALID with the rules that they break. */
async function soundSamples(
  profile: Profile,
  issuer: SampleIssuer,
  nowMs: number,
): Promise<readonly SampleCertificate[]> {
  const findings = new Map<string, string>();
  for (const finding of await chunkBoundFindings(profile, issuer, nowMs)) {
    findings.set(findingText(finding), 'every value of its greatest length');
  }
  // Whatever is that large is not worth its samples.
  refuse(profile, findings);
  for (const finding of lintJitpParameters(profile, profile.jitpParameters ?? [])) {
    findings.set(findingText(finding), 'each of them');
  }
  const samples: SampleCertificate[] = [];
  let bad = 0;
  for await (const sample of samplesInTurns(profile, issuer, nowMs)) {
    samples.push(sample);
    const found = lintSample(profile, issuer, sample).map(findingText);
    for (const text of found) if (!findings.has(text)) findings.set(text, sample.label);
    if (found.length > 0) bad += 1;
    if (bad >= maxBadSamples) break;
  }
  refuse(profile, findings);
  return samples;
}

function refuse(profile: Profile, findings: ReadonlyMap<string, string>): void {
  if (findings.size === 0) return;
  const lines = [...findings].map(([text, label]) => `  ${text} (sample: ${label})`);
  throw new CertmillError(
    'PROFILE_INVALID',
    [`profile ${profile.name} would make certificates that break rules:`, ...lines].join('\n'),
  );
}

async function orInvalid<T>(made: () => Promise<T>): Promise<T> {
  try {
    return await made();
  } catch (cause) {
    if (!isCertmillError(cause) || cause.code === 'PROFILE_INVALID') throw cause;
    // No certificate can be made today: in the factory that would have been a dead letter.
    throw new CertmillError('PROFILE_INVALID', `RFC 5280 4.1.2.5: ${cause.message}`, { cause });
  }
}

/** The oracles: @peculiar/x509 reads what the template says it wrote, and OpenSSL verifies it. */
function readBack(
  library: typeof x509,
  profile: Profile,
  issuer: SampleIssuer,
  sample: SampleCertificate,
): void {
  const differs = (what: string, cause?: unknown) =>
    new CertmillError(
      'PROFILE_INVALID',
      `profile ${profile.name}: read back, a sample certificate (${sample.label}) ${what}`,
      { cause },
    );
  let certificate: x509.X509Certificate;
  try {
    certificate = new library.X509Certificate(Uint8Array.from(sample.der));
    // Extensions are decoded as they are looked at.
    certificate.extensions.forEach((extension) => extension.rawData.byteLength);
  } catch (cause) {
    throw differs('cannot be parsed (RFC 5280 4.1)', cause);
  }
  const serialNumber = Buffer.from(sample.serialNumber).toString('hex');
  if (certificate.serialNumber.padStart(serialNumber.length, '0') !== serialNumber) {
    throw differs('has another serial number');
  }
  if (Buffer.compare(Buffer.from(certificate.publicKey.rawData), sample.spki) !== 0) {
    throw differs('has another public key');
  }
  if (!hasIssuer(certificate, issuer)) {
    throw differs('has another issuer');
  }
  if (!new X509Certificate(sample.der).verify(sample.issuerKey)) {
    throw differs('does not verify');
  }
}

function hasIssuer(certificate: x509.X509Certificate, issuer: SampleIssuer): boolean {
  return (
    Buffer.compare(Buffer.from(certificate.issuerName.toArrayBuffer()), issuer.subjectDer) === 0
  );
}
