import { oids, signatureAlgorithmDer, tags } from '@certmill/der';
import { latin1 } from './der-node.js';
import { isWithoutExpiration } from './field-rules.js';
import {
  findExtension,
  keyUsageBits,
  type LintedAttribute,
  type LintedCertificate,
  saysCa,
  usageBit,
} from './linted-certificate.js';
import { type LintContext, type LintRule, when } from './lint-rule.js';

function isDevId({ conformsTo }: LintContext): boolean {
  return conformsTo === 'ieee-802.1ar-idevid' || conformsTo === 'ieee-802.1ar-ldevid';
}

/** A profile with Matter's ids is held to Matter's rules whether it says so or not. */
function isMatter(certificate: LintedCertificate, { conformsTo }: LintContext): boolean {
  return (
    conformsTo === 'matter-dac' ||
    certificate.subjectAttributes.some(({ oid }) => matterIds.includes(oid))
  );
}

const matterIds: readonly string[] = [oids.matter_at_vendorId, oids.matter_at_productId];
const maxMatterOctets = 600;

function valuesOf(attributes: readonly LintedAttribute[], oid: string): readonly string[] {
  return attributes
    .filter((attribute) => attribute.oid === oid)
    .map(({ value }) => (value.tag === tags.utf8String ? latin1(value) : ''));
}

function isMissing(certificate: LintedCertificate, oid: string): boolean {
  return findExtension(certificate, oid) === undefined;
}

function devId(
  id: string,
  clause: string,
  check: (certificate: LintedCertificate, context: LintContext) => readonly string[],
): LintRule {
  return {
    id,
    clause: `IEEE 802.1AR-2018 ${clause}`,
    check: (certificate, context) => (isDevId(context) ? check(certificate, context) : []),
  };
}

function matter(
  id: string,
  clause: string,
  check: (certificate: LintedCertificate, context: LintContext) => readonly string[],
): LintRule {
  return {
    id,
    clause: `Matter Core Specification ${clause}`,
    check: (certificate, context) =>
      isMatter(certificate, context) ? check(certificate, context) : [],
  };
}

/** Rules of the standards that a profile can claim: IEEE 802.1AR DevIDs and Matter's DAC. */
export const standardRules: readonly LintRule[] = [
  devId('devid-serial-number', '8.6', ({ subjectAttributes }, { conformsTo }) =>
    when(
      conformsTo === 'ieee-802.1ar-idevid' &&
        !subjectAttributes.some(({ oid }) => oid === oids.id_at_serialNumber),
      "the subject of an IDevID holds the device's serialNumber",
    ),
  ),
  devId('devid-subject', '8.6', ({ subject }) =>
    when(subject.children.length === 0, 'the subject of a DevID is not empty'),
  ),
  devId('devid-validity', '8', ({ notAfter }, { conformsTo }) =>
    when(
      conformsTo === 'ieee-802.1ar-idevid' && !isWithoutExpiration(notAfter),
      'an IDevID lasts as long as its device: notAfter is 99991231235959Z',
    ),
  ),
  devId('devid-key-usage', '8', (certificate) => [
    ...when(
      keyUsageBits(certificate)?.has(usageBit.digitalSignature) !== true,
      'keyUsage of a DevID asserts digitalSignature',
    ),
    ...when(
      findExtension(certificate, oids.id_ce_keyUsage)?.critical === false,
      'keyUsage of a DevID is critical',
    ),
  ]),
  devId('devid-key-type', '9', ({ keyFamily }) =>
    when(
      keyFamily === 'ed25519' || keyFamily === 'ml-dsa',
      'the signature suites of 802.1AR have neither Ed25519 nor ML-DSA',
    ),
  ),
  matter('dac-ids', '6.2.2.3', ({ subjectAttributes, issuerAttributes }) =>
    matterIds.flatMap((oid) => {
      const name = oid === oids.matter_at_vendorId ? 'vendor id' : 'product id';
      const values = valuesOf(subjectAttributes, oid);
      const [issuerValue] = valuesOf(issuerAttributes, oid);
      return [
        ...when(values.length !== 1, `the subject holds exactly one ${name}`),
        ...when(
          values.some((value) => !/^[0-9A-F]{4}$/.test(value)),
          `the ${name} is four upper-case hex digits in a UTF8String`,
        ),
        ...when(
          issuerValue !== undefined && values.some((value) => value !== issuerValue),
          `the ${name} differs from that of the issuer`,
        ),
      ];
    }),
  ),
  matter('dac-key', '6.2.2.3', ({ keyFamily, tbsSignatureAlgorithm }) => [
    ...when(keyFamily !== 'ec-p256', 'the key of a DAC is on P-256'),
    ...when(
      Buffer.compare(tbsSignatureAlgorithm.der, signatureAlgorithmDer('ecdsa-sha256')) !== 0,
      'a DAC is signed with ECDSA and SHA-256',
    ),
  ]),
  matter('dac-basic-constraints', '6.2.2.3', (certificate) => {
    const constraints = findExtension(certificate, oids.id_ce_basicConstraints);
    return when(
      constraints?.critical !== true ||
        saysCa(certificate) ||
        (constraints.value?.children.length ?? 1) > 0,
      'basicConstraints is there, critical, cA FALSE and without a path length',
    );
  }),
  matter('dac-key-usage', '6.2.2.3', (certificate) => {
    const bits = keyUsageBits(certificate);
    return when(
      findExtension(certificate, oids.id_ce_keyUsage)?.critical !== true ||
        bits?.size !== 1 ||
        !bits.has(usageBit.digitalSignature),
      'keyUsage is there, critical and digitalSignature alone',
    );
  }),
  matter('dac-key-identifiers', '6.2.2.3', (certificate) => [
    ...when(
      findExtension(certificate, oids.id_ce_subjectKeyIdentifier)?.value?.tag !== tags.octetString,
      'subjectKeyIdentifier is missing',
    ),
    ...when(
      isMissing(certificate, oids.id_ce_authorityKeyIdentifier),
      'authorityKeyIdentifier is missing',
    ),
  ]),
  matter('dac-size', '6.1.3', ({ der }) =>
    when(
      der.length > maxMatterOctets,
      `the certificate has ${String(der.length)} octets, at most 600 are allowed`,
    ),
  ),
  matter('dac-version', '6.2.2.3', ({ version }) => when(version !== 2, 'the version is 3')),
];
