import type { LintRule } from './lint-rule.js';
import {
  keyStrengthClause,
  keyWeaknessOf,
  signatureHashClause,
  signatureWeaknessOf,
} from './weak-algorithms.js';

/** What proves too little today, whatever profile or standard it is of. */
export const strengthRules: readonly LintRule[] = [
  {
    id: 'key-strength',
    clause: keyStrengthClause,
    check: ({ subjectPKInfo }) => present(keyWeaknessOf(subjectPKInfo)),
  },
  {
    id: 'signature-hash',
    clause: signatureHashClause,
    check: ({ signatureAlgorithm }) => present(signatureWeaknessOf(signatureAlgorithm)),
  },
];

function present(weakness: string | undefined): readonly string[] {
  return weakness === undefined ? [] : [weakness];
}
