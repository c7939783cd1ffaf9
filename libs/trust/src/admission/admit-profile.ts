import { X509Certificate } from 'node:crypto';
import { CertmillError, isCertmillError, type Profile } from '@certmill/domain';
import { compileProfile } from '@certmill/pipeline/compute';
import { lintCertificate } from '../lint/lint-certificate.js';
import type { LintContext, LintFinding } from '../lint/lint-rule.js';
import type { x509 } from '../x509-library.js';
import { chunkBoundFindings } from './chunk-bound.js';
import { lintJitpParameters } from './jitp-template.js';
import { makeSamples, type SampleCertificate, type SampleIssuer } from './sample-certificates.js';

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
  const samples = await samplesOf(profile, issuer, nowMs);
  const findings = new Map<string, string>();
  for (const finding of await chunkBoundFindings(profile, issuer, nowMs)) {
    findings.set(findingText(finding), 'every value of its greatest length');
  }
  for (const finding of lintJitpParameters(profile, profile.jitpParameters ?? [])) {
    findings.set(findingText(finding), 'each of them');
  }
  for (const sample of samples) {
    for (const finding of lintSample(profile, issuer, sample)) {
      const text = findingText(finding);
      if (!findings.has(text)) findings.set(text, sample.label);
    }
  }
  if (findings.size > 0) {
    const lines = [...findings].map(([text, label]) => `  ${text} (sample: ${label})`);
    throw new CertmillError(
      'PROFILE_INVALID',
      [`profile ${profile.name} would make certificates that break rules:`, ...lines].join('\n'),
    );
  }
  // Only here, for it takes longer to load than all the rest.
  const library = (await import('../x509-library.js')).x509;
  for (const sample of samples) readBack(library, profile, issuer, sample);
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

async function samplesOf(
  profile: Profile,
  issuer: SampleIssuer,
  nowMs: number,
): Promise<readonly SampleCertificate[]> {
  try {
    return await makeSamples(profile, issuer, nowMs);
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
