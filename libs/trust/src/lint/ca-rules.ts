import { oids, tags } from '@certmill/der';
import {
  findExtension,
  keyUsageBits,
  type LintedCertificate,
  pathLengthOf,
  saysCa,
  usageBit,
} from './linted-certificate.js';
import { type LintRule, when } from './lint-rule.js';

function ca(
  id: string,
  clause: string,
  check: (certificate: LintedCertificate) => readonly string[],
): LintRule {
  return {
    id: `ca-${id}`,
    clause: `RFC 5280 ${clause}`,
    check: (certificate, { role }) => (role === 'ca' ? check(certificate) : []),
  };
}

/** What RFC 5280 asks of a CA's certificate beyond that of a device. */
export const caRules: readonly LintRule[] = [
  ca('subject-not-empty', '4.1.2.6', ({ subject }) =>
    when(subject.children.length === 0, 'the subject of a CA is not empty'),
  ),
  ca('subject-key-identifier', '4.2.1.2', (certificate) =>
    when(
      findExtension(certificate, oids.id_ce_subjectKeyIdentifier)?.value?.tag !== tags.octetString,
      'subjectKeyIdentifier is missing',
    ),
  ),
  ca('key-usage', '4.2.1.3', (certificate) =>
    when(
      keyUsageBits(certificate)?.has(usageBit.keyCertSign) !== true,
      'keyUsage does not assert keyCertSign',
    ),
  ),
  ca('basic-constraints', '4.2.1.9', (certificate) => {
    const constraints = findExtension(certificate, oids.id_ce_basicConstraints);
    return when(
      constraints?.critical !== true || !saysCa(certificate),
      'basicConstraints is there, critical and cA TRUE',
    );
  }),
  ca('path-length', '4.2.1.9', (certificate) => {
    const length = pathLengthOf(certificate);
    return when(
      length !== undefined && (length < 0 || !saysCa(certificate)),
      'pathLenConstraint is not negative, and stands in the certificate of a CA only',
    );
  }),
  ca('name-constraints-critical', '4.2.1.10', (certificate) =>
    when(
      findExtension(certificate, oids.id_ce_nameConstraints)?.critical === false,
      'nameConstraints is critical',
    ),
  ),
];
