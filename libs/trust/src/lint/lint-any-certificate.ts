import { oids } from '@certmill/der';
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

/** What the certificate says it is for. */
function contextOf(certificate: LintedCertificate): LintContext {
  if (saysCa(certificate)) return { role: 'ca' };
  if (purposesOf(certificate).includes(oids.id_kp_OCSPSigning)) {
    return { conformsTo: 'ocsp-responder' };
  }
  return keyUsageBits(certificate)?.has(usageBit.cRLSign) === true
    ? { conformsTo: 'crl-signer' }
    : {};
}
