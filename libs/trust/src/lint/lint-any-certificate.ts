import { caRules, isCa, isSelfIssued } from './ca-rules.js';
import { lintRules } from './lint-certificate.js';
import { readLintedCertificate } from './linted-certificate.js';
import type { LintFinding } from './lint-rule.js';

/** Rules that hold for devices only: a CA may, or must, do what they forbid. */
const notForCas: ReadonlySet<string> = new Set([
  'authority-key-identifier',
  'no-crl-sign',
  'no-device-is-a-ca',
  'no-inhibitAnyPolicy',
  'no-nameConstraints',
  'no-policyConstraints',
  'no-policyMappings',
]);

/** Who signs its own certificate needs no pointer to the key (RFC 5280 4.2.1.1). */
const notForSelfIssued: ReadonlySet<string> = new Set(['authority-key-identifier']);

/** Judges any certificate, CA or not, by RFC 5280 alone: for one whose profile is not known. */
export function lintAnyCertificate(der: Uint8Array): readonly LintFinding[] {
  const certificate = readLintedCertificate(der);
  if (certificate === undefined) {
    return [
      { rule: 'certificate-is-der', clause: 'RFC 5280 4.1', detail: 'not a Certificate in DER' },
    ];
  }
  const left = isSelfIssued(certificate) ? notForSelfIssued : new Set<string>();
  const rules = isCa(certificate)
    ? [...lintRules.filter(({ id }) => !notForCas.has(id)), ...caRules]
    : lintRules.filter(({ id }) => !left.has(id));
  return rules.flatMap(({ id, clause, check }) =>
    check(certificate, {}).map((detail) => ({ rule: id, clause, detail })),
  );
}
