import { oids } from '@certmill/der';
import { oidOf } from './der-node.js';
import { isWithoutExpiration } from './field-rules.js';
import {
  findExtension,
  hardwareModuleNamesOf,
  keyUsageBits,
  type LintedCertificate,
  usageBit,
} from './linted-certificate.js';
import { type LintContext, type LintRule, when } from './lint-rule.js';

function devId(
  id: string,
  clause: string,
  check: (certificate: LintedCertificate, context: LintContext) => readonly string[],
): LintRule {
  return {
    id: `devid-${id}`,
    clause: `IEEE 802.1AR-2018 ${clause}`,
    check: (certificate, context) => (isDevId(context) ? check(certificate, context) : []),
  };
}

function isDevId({ conformsTo }: LintContext): boolean {
  return conformsTo === 'ieee-802.1ar-idevid' || conformsTo === 'ieee-802.1ar-ldevid';
}

/** hwType of a TPM 2.0. */
const tpm20 = '2.23.133.1.2';
/** Manufacturer code, key identifier and serial number of the endorsement key's certificate. */
const endorsedSerialNumber = /^[^:]{1,8}:[^:]+:[^:]+$/;
/** SHA-1, SHA-256, SHA-384 and SHA-512 of the endorsement key. */
const digestOctets: readonly number[] = [20, 32, 48, 64];

/** IDevID and LDevID: IEEE Std 802.1AR-2018 clause 8, for keys in a TPM with what TCG adds. */
export const devIdRules: readonly LintRule[] = [
  devId('version', '8.1', ({ version }) => when(version !== 2, 'the version of a DevID is 3')),
  devId('validity', '8.5', ({ notAfter }, { conformsTo }) =>
    when(
      conformsTo === 'ieee-802.1ar-idevid' && !isWithoutExpiration(notAfter),
      'an IDevID lasts as long as its device: notAfter is 99991231235959Z',
    ),
  ),
  devId('serial-number', '8.6', ({ subjectAttributes }, { conformsTo }) =>
    when(
      conformsTo === 'ieee-802.1ar-idevid' &&
        subjectAttributes.filter(({ oid }) => oid === oids.id_at_serialNumber).length !== 1,
      "the subject of an IDevID holds the device's serialNumber",
    ),
  ),
  devId('subject', '8.6', ({ subject }) =>
    when(subject.children.length === 0, 'the subject of a DevID is not empty'),
  ),
  devId('authority-key-identifier', '8.10.1', (certificate) =>
    when(
      findExtension(certificate, oids.id_ce_authorityKeyIdentifier) === undefined,
      'a DevID names the key of its issuer',
    ),
  ),
  devId('key-usage', '8.10.3', (certificate) => {
    const bits = keyUsageBits(certificate);
    return [
      ...when(
        bits?.has(usageBit.digitalSignature) !== true,
        'keyUsage of a DevID asserts digitalSignature',
      ),
      ...when(
        [...(bits ?? [])].some(
          (bit) => bit !== usageBit.digitalSignature && bit !== usageBit.keyEncipherment,
        ),
        'keyUsage of a DevID asserts nothing but digitalSignature and keyEncipherment',
      ),
      ...when(
        findExtension(certificate, oids.id_ce_keyUsage)?.critical === false,
        'keyUsage of a DevID is critical',
      ),
    ];
  }),
  devId('subject-alt-name', '8.10.4', (certificate) => {
    if (findExtension(certificate, oids.id_ce_subjectAltName) === undefined) return [];
    return when(
      hardwareModuleNamesOf(certificate).length !== 1,
      'the subjectAltName of a DevID holds one hardwareModuleName',
    );
  }),
  devId('key-type', '9', ({ keyFamily }) =>
    when(
      keyFamily === 'ed25519' || keyFamily === 'ml-dsa',
      'the signature suites of 802.1AR have neither Ed25519 nor ML-DSA',
    ),
  ),
  {
    id: 'devid-tpm-serial-number',
    clause: 'TCG TPM 2.0 Keys for Device Identity and Attestation 1.0',
    check: (certificate, context) =>
      isDevId(context)
        ? hardwareModuleNamesOf(certificate)
            .filter(({ children: [hwType] }) => oidOf(hwType) === tpm20)
            .flatMap(({ children: [, serial] }) =>
              when(
                !isTpmSerialNumber(serial?.content ?? new Uint8Array()),
                'hwSerialNum of a TPM 2.0 is manufacturer:key identifier:serial number of the ' +
                  "endorsement key's certificate, or a digest of that key",
              ),
            )
        : [],
  },
];

function isTpmSerialNumber(content: Uint8Array): boolean {
  const text = Buffer.from(content).toString('latin1');
  return digestOctets.includes(content.length) || endorsedSerialNumber.test(text);
}
