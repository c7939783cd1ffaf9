import { caRules } from './ca-rules.js';
import { devIdRules } from './devid-rules.js';
import { extensionRules } from './extension-rules.js';
import { fieldRules } from './field-rules.js';
import { generalNameRules } from './general-name-rules.js';
import { keyUsageRules } from './key-usage-rules.js';
import { readLintedCertificate } from './linted-certificate.js';
import type { LintContext, LintFinding, LintRule } from './lint-rule.js';
import { matterRules } from './matter-rules.js';
import { nameRules } from './name-rules.js';
import { serviceRules } from './service-rules.js';
import { strengthRules } from './strength-rules.js';

/** Every rule of the linter, in the order of its findings. */
export const lintRules: readonly LintRule[] = [
  ...fieldRules,
  ...strengthRules,
  ...nameRules,
  ...extensionRules,
  ...keyUsageRules,
  ...generalNameRules,
  ...caRules,
  ...devIdRules,
  ...matterRules,
  ...serviceRules,
];

/**
 * Judges the certificate of a device, or with `role: 'ca'` that of a CA, by RFC 5280 and the standard
 * that it claims. Stricter than the RFC where it says SHOULD and there is no reason to differ. Empty:
 * all is well.
 */
export function lintCertificate(der: Uint8Array, context: LintContext): readonly LintFinding[] {
  const certificate = readLintedCertificate(der);
  if (certificate === undefined) {
    return [
      { rule: 'certificate-is-der', clause: 'RFC 5280 4.1', detail: 'not a Certificate in DER' },
    ];
  }
  return lintRules.flatMap(({ id, clause, check }) =>
    check(certificate, context).map((detail) => ({ rule: id, clause, detail })),
  );
}
