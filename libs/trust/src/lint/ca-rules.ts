import { oids } from '@certmill/der';
import {
  findExtension,
  keyUsageBits,
  type LintedCertificate,
  saysCa,
  usageBit,
} from './linted-certificate.js';
import { type LintRule, when } from './lint-rule.js';

/** Whether a certificate is signed by its own key, as far as its names tell. */
export function isSelfIssued({ issuer, subject }: LintedCertificate): boolean {
  return Buffer.compare(issuer.der, subject.der) === 0;
}

/** What RFC 5280 asks of a CA's certificate beyond any other's. */
export const caRules: readonly LintRule[] = [
  {
    id: 'ca-basic-constraints',
    clause: 'RFC 5280 4.2.1.9',
    check: (certificate) => {
      const constraints = findExtension(certificate, oids.id_ce_basicConstraints);
      return when(
        constraints !== undefined && !constraints.critical,
        'basicConstraints of a CA must be critical',
      );
    },
  },
  {
    id: 'ca-key-usage',
    clause: 'RFC 5280 4.2.1.3',
    check: (certificate) => {
      const usage = keyUsageBits(certificate);
      if (usage === undefined) return ['a CA must have a keyUsage'];
      return when(
        !usage.has(usageBit.keyCertSign),
        'a CA that has no keyCertSign can sign no certificate',
      );
    },
  },
  {
    id: 'ca-subject-key-identifier',
    clause: 'RFC 5280 4.2.1.2',
    check: (certificate) =>
      when(
        findExtension(certificate, oids.id_ce_subjectKeyIdentifier) === undefined,
        'a CA must have a subjectKeyIdentifier',
      ),
  },
  {
    id: 'ca-authority-key-identifier',
    clause: 'RFC 5280 4.2.1.1',
    check: (certificate) =>
      when(
        !isSelfIssued(certificate) &&
          findExtension(certificate, oids.id_ce_authorityKeyIdentifier) === undefined,
        'authorityKeyIdentifier is missing, and only a root may go without',
      ),
  },
  {
    id: 'ca-subject',
    clause: 'RFC 5280 4.1.2.6',
    check: ({ subject }) => when(subject.children.length === 0, 'the subject of a CA is empty'),
  },
  {
    id: 'ca-name-constraints-critical',
    clause: 'RFC 5280 4.2.1.10',
    check: (certificate) => {
      const constraints = findExtension(certificate, oids.id_ce_nameConstraints);
      return when(
        constraints !== undefined && !constraints.critical,
        'nameConstraints must be critical',
      );
    },
  },
];

/** Whether the rules for CAs apply: the certificate says that it is one. */
export function isCa(certificate: LintedCertificate): boolean {
  return saysCa(certificate);
}
