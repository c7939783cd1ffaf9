import { NO_EXPIRATION_SECONDS, oids, readTimeContent, tags } from '@certmill/der';
import type { DerNode } from './der-node.js';
import { findExtension } from './linted-certificate.js';
import { type LintRule, when } from './lint-rule.js';

const maxSerialNumberOctets = 20;
const firstGeneralizedTimeSeconds = Date.UTC(2050, 0, 1) / 1_000;

/** Epoch seconds of a Time element; NaN where it is none. */
export function secondsOf(time: DerNode): number {
  return readTimeContent(time.content, time.tag, 0, time.content.length);
}

/** Fields of Certificate and TBSCertificate: RFC 5280 4.1. */
export const fieldRules: readonly LintRule[] = [
  {
    id: 'signature-algorithm-agrees',
    clause: 'RFC 5280 4.1.1.2',
    check: ({ signatureAlgorithm, tbsSignatureAlgorithm }) =>
      when(
        Buffer.compare(signatureAlgorithm.der, tbsSignatureAlgorithm.der) !== 0,
        'signatureAlgorithm and tbsCertificate.signature differ',
      ),
  },
  {
    id: 'version-is-3',
    clause: 'RFC 5280 4.1.2.1',
    check: ({ version, extensions }) =>
      when(extensions.length > 0 && version !== 2, 'with extensions the version must be 3'),
  },
  {
    id: 'serial-number',
    clause: 'RFC 5280 4.1.2.2',
    check: ({ serialNumber: { content } }) => [
      ...when((content[0] ?? 0) >= 0x80, 'the serial number is negative'),
      ...when(
        content.every((octet) => octet === 0),
        'the serial number is zero',
      ),
      ...when(
        content.length > maxSerialNumberOctets,
        `the serial number has ${String(content.length)} octets, at most 20 are allowed`,
      ),
    ],
  },
  {
    id: 'issuer-not-empty',
    clause: 'RFC 5280 4.1.2.4',
    check: ({ issuer }) => when(issuer.children.length === 0, 'the issuer name is empty'),
  },
  {
    id: 'validity-encoding',
    clause: 'RFC 5280 4.1.2.5',
    check: ({ notBefore, notAfter }) => [
      ...timeProblems('notBefore', notBefore),
      ...timeProblems('notAfter', notAfter),
    ],
  },
  {
    id: 'validity-order',
    clause: 'RFC 5280 4.1.2.5',
    check: ({ notBefore, notAfter }) =>
      when(secondsOf(notAfter) < secondsOf(notBefore), 'notAfter lies before notBefore'),
  },
  {
    id: 'subject-empty',
    clause: 'RFC 5280 4.1.2.6',
    check: (certificate) => {
      if (certificate.subject.children.length > 0) return [];
      const names = findExtension(certificate, oids.id_ce_subjectAltName);
      if (names === undefined) return ['the subject is empty and there is no subjectAltName'];
      return when(!names.critical, 'the subject is empty and subjectAltName is not critical');
    },
  },
  {
    id: 'size-limit',
    clause: 'maxCertificateBytes of the profile',
    check: ({ der }, { maxCertificateBytes: limit }) =>
      limit === undefined || der.length <= limit
        ? []
        : [
            `the certificate has ${String(der.length)} octets, at most ${String(limit)} are allowed`,
          ],
  },
];

function timeProblems(name: string, time: DerNode): readonly string[] {
  const seconds = secondsOf(time);
  if (Number.isNaN(seconds)) return [`${name} is not YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ`];
  const wantsUtcTime = seconds < firstGeneralizedTimeSeconds;
  return [
    ...when(
      wantsUtcTime && time.tag !== tags.utcTime,
      `${name} is a GeneralizedTime through the year 2049`,
    ),
    ...when(
      !wantsUtcTime && time.tag !== tags.generalizedTime,
      `${name} is a UTCTime in the year 2050 or later`,
    ),
  ];
}

/** 99991231235959Z: no well-defined expiration date (RFC 5280 4.1.2.5). */
export function isWithoutExpiration(time: DerNode): boolean {
  return secondsOf(time) === NO_EXPIRATION_SECONDS;
}
