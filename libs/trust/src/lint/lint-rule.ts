import type { ProfileStandard } from '@certmill/domain';
import type { LintedCertificate } from './linted-certificate.js';

/** A standard that a certificate can be held to: of devices and services, or of Matter's CAs. */
export type LintStandard = ProfileStandard | 'matter-pai' | 'matter-paa';

/** What a certificate is judged against beside RFC 5280. */
export interface LintContext {
  readonly conformsTo?: LintStandard;
  /** Whose certificate it is; by default that of a device. */
  readonly role?: 'end-entity' | 'ca';
  readonly maxCertificateBytes?: number;
  /** keyIdentifier of the issuer's certificate; where absent, it is not compared. */
  readonly issuerKeyIdentifier?: Uint8Array;
}

export interface LintRule {
  readonly id: string;
  /** Where the rule comes from, for instance `RFC 5280 4.2.1.6`. */
  readonly clause: string;
  /** What is wrong, a sentence each; empty where the certificate keeps the rule. */
  readonly check: (certificate: LintedCertificate, context: LintContext) => readonly string[];
}

/** A rule that the certificate breaks. */
export interface LintFinding {
  readonly rule: string;
  readonly clause: string;
  readonly detail: string;
}

/** One message where the condition holds. */
export function when(isWrong: boolean, message: string): readonly string[] {
  return isWrong ? [message] : [];
}
