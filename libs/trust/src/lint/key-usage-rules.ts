import { oids } from '@certmill/der';
import {
  findExtension,
  keyUsageBits,
  type LintedCertificate,
  purposesOf,
  saysCa,
  usageBit,
} from './linted-certificate.js';
import { type LintContext, type LintRule, when } from './lint-rule.js';

function has(certificate: LintedCertificate, ...bits: (keyof typeof usageBit)[]): boolean {
  const usage = keyUsageBits(certificate);
  return usage !== undefined && bits.some((bit) => usage.has(usageBit[bit]));
}

/** What a keyUsage must have one of for a purpose to make sense (RFC 5280 4.2.1.12). */
const usagesOfPurpose: Readonly<Record<string, readonly (keyof typeof usageBit)[]>> = {
  [oids.id_kp_serverAuth]: ['digitalSignature', 'keyEncipherment', 'keyAgreement'],
  [oids.id_kp_clientAuth]: ['digitalSignature', 'keyAgreement'],
  [oids.id_kp_codeSigning]: ['digitalSignature'],
  [oids.id_kp_emailProtection]: [
    'digitalSignature',
    'nonRepudiation',
    'keyEncipherment',
    'keyAgreement',
  ],
  [oids.id_kp_timeStamping]: ['digitalSignature', 'nonRepudiation'],
  [oids.id_kp_OCSPSigning]: ['digitalSignature', 'nonRepudiation'],
};

const notForSigning = [
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'encipherOnly',
  'decipherOnly',
] as const;

function isDevice({ role }: LintContext): boolean {
  return role !== 'ca';
}

/** keyUsage, extKeyUsage and basicConstraints, and what the key's type allows. */
export const keyUsageRules: readonly LintRule[] = [
  {
    id: 'key-usage-has-a-bit',
    clause: 'RFC 5280 4.2.1.3',
    check: (certificate) => when(keyUsageBits(certificate)?.size === 0, 'keyUsage has no bit set'),
  },
  {
    id: 'key-usage-critical',
    clause: 'RFC 5280 4.2.1.3',
    check: (certificate) => {
      const usage = findExtension(certificate, oids.id_ce_keyUsage);
      return when(usage !== undefined && !usage.critical, 'keyUsage should be critical');
    },
  },
  {
    id: 'encipher-only-needs-key-agreement',
    clause: 'RFC 5280 4.2.1.3',
    check: (certificate) =>
      when(
        has(certificate, 'encipherOnly', 'decipherOnly') && !has(certificate, 'keyAgreement'),
        'encipherOnly and decipherOnly mean nothing without keyAgreement',
      ),
  },
  {
    id: 'key-cert-sign-needs-ca',
    clause: 'RFC 5280 4.2.1.9',
    check: (certificate) =>
      when(
        has(certificate, 'keyCertSign') && !saysCa(certificate),
        'keyCertSign must not be asserted where basicConstraints does not say CA:TRUE',
      ),
  },
  {
    id: 'no-crl-sign',
    clause: 'RFC 5280 4.2.1.3',
    check: (certificate, context) =>
      when(
        isDevice(context) && context.conformsTo !== 'crl-signer' && has(certificate, 'cRLSign'),
        'cRLSign is for keys that verify revocation lists',
      ),
  },
  {
    id: 'no-ocsp-signing',
    clause: 'RFC 6960 4.2.2.2',
    check: (certificate, context) =>
      when(
        isDevice(context) &&
          context.conformsTo !== 'ocsp-responder' &&
          purposesOf(certificate).includes(oids.id_kp_OCSPSigning),
        'a device with OCSPSigning could vouch for every certificate of its issuer',
      ),
  },
  {
    id: 'no-device-is-a-ca',
    clause: 'RFC 5280 4.2.1.9',
    check: (certificate, context) => [
      ...when(
        isDevice(context) && saysCa(certificate),
        'basicConstraints says CA:TRUE in a device certificate',
      ),
      ...when(
        !saysCa(certificate) &&
          (findExtension(certificate, oids.id_ce_basicConstraints)?.value?.children.length ?? 0) >
            0,
        'basicConstraints without CA:TRUE must be an empty SEQUENCE',
      ),
    ],
  },
  {
    id: 'ec-key-usage',
    clause: 'RFC 8813 3',
    check: (certificate) =>
      when(
        ['ec-p256', 'ec-other'].includes(certificate.keyFamily) &&
          has(certificate, 'keyEncipherment', 'dataEncipherment'),
        'keyEncipherment and dataEncipherment must not be set for an EC key',
      ),
  },
  {
    id: 'ed25519-key-usage',
    clause: 'RFC 8410 5',
    check: (certificate) =>
      when(
        certificate.keyFamily === 'ed25519' && has(certificate, ...notForSigning),
        'an Ed25519 key only signs',
      ),
  },
  {
    id: 'ml-dsa-key-usage',
    clause: 'RFC 9881 5',
    check: (certificate) => {
      if (certificate.keyFamily !== 'ml-dsa' || keyUsageBits(certificate) === undefined) return [];
      return [
        ...when(
          !has(certificate, 'digitalSignature', 'nonRepudiation', 'keyCertSign', 'cRLSign'),
          'keyUsage of an ML-DSA key needs digitalSignature, nonRepudiation, keyCertSign or cRLSign',
        ),
        ...when(has(certificate, ...notForSigning), 'an ML-DSA key only signs'),
      ];
    },
  },
  {
    id: 'rsa-key-usage',
    clause: 'RFC 3279 2.3.1',
    check: (certificate) =>
      when(
        certificate.keyFamily === 'rsa' &&
          has(certificate, 'keyAgreement', 'encipherOnly', 'decipherOnly'),
        'an RSA key agrees on no key: keyAgreement must not be set',
      ),
  },
  {
    id: 'ext-key-usage-not-empty',
    clause: 'RFC 5280 4.2.1.12',
    check: (certificate) => {
      const usage = findExtension(certificate, oids.id_ce_extKeyUsage);
      return when(usage?.value?.children.length === 0, 'extKeyUsage holds no purpose');
    },
  },
  {
    id: 'any-purpose-not-critical',
    clause: 'RFC 5280 4.2.1.12',
    check: (certificate) =>
      when(
        findExtension(certificate, oids.id_ce_extKeyUsage)?.critical === true &&
          purposesOf(certificate).includes(oids.anyExtendedKeyUsage),
        'extKeyUsage with anyExtendedKeyUsage should not be critical',
      ),
  },
  {
    id: 'ext-key-usage-distinct',
    clause: 'RFC 5280 4.2.1.12',
    check: (certificate) => {
      const purposes = purposesOf(certificate);
      return when(new Set(purposes).size < purposes.length, 'a purpose stands twice');
    },
  },
  {
    id: 'purpose-fits-key-usage',
    clause: 'RFC 5280 4.2.1.12',
    check: (certificate, context) => {
      // In a CA's certificate purposes bound those below it, not what its own key does.
      if (!isDevice(context) || keyUsageBits(certificate) === undefined) return [];
      return purposesOf(certificate).flatMap((purpose) => {
        const fitting = usagesOfPurpose[purpose];
        return fitting === undefined || has(certificate, ...fitting)
          ? []
          : [`the purpose ${purpose} needs one of ${fitting.join(', ')} in keyUsage`];
      });
    },
  },
];
