import { matterIdsOf, oids } from '@certmill/der';
import { lintCertificate } from './lint-certificate.js';
import {
  keyUsageBits,
  type LintedCertificate,
  purposesOf,
  readLintedCertificate,
  saysCa,
  usageBit,
} from './linted-certificate.js';
import type { LintContext, LintFinding } from './lint-rule.js';

/** Judges any certificate, CA or not, by RFC 5280: for one whose profile is not known. */
export function lintAnyCertificate(der: Uint8Array): readonly LintFinding[] {
  const certificate = readLintedCertificate(der);
  return lintCertificate(der, certificate === undefined ? {} : contextOf(certificate));
}

/**
 * Whether it is a device attestation certificate of Matter, well made or not: no CA and no signer of
 * statuses, and its own Name or its issuer's has Matter's ids, or tries to.
 */
export function isAttestation(certificate: LintedCertificate): boolean {
  if (saysCa(certificate) || statusSignerOf(certificate) !== undefined) return false;
  return [certificate.subjectAttributes, certificate.issuerAttributes].some((attributes) => {
    const { vendorId, productId, problems } = matterIdsOf(attributes);
    return vendorId !== undefined || productId !== undefined || problems.length > 0;
  });
}

/** What the certificate says it is for. */
function contextOf(certificate: LintedCertificate): LintContext {
  if (saysCa(certificate)) return { role: 'ca' };
  if (isAttestation(certificate)) return { conformsTo: 'matter-dac' };
  const conformsTo = statusSignerOf(certificate);
  return conformsTo === undefined ? {} : { conformsTo };
}

function statusSignerOf(
  certificate: LintedCertificate,
): 'ocsp-responder' | 'crl-signer' | undefined {
  if (purposesOf(certificate).includes(oids.id_kp_OCSPSigning)) return 'ocsp-responder';
  return keyUsageBits(certificate)?.has(usageBit.cRLSign) === true ? 'crl-signer' : undefined;
}
