import { contextPrimitive, oids, signatureAlgorithmDer } from '@certmill/der';
import type { ProfileStandard } from '@certmill/domain';
import { isWithoutExpiration, secondsOf } from './field-rules.js';
import {
  findExtension,
  hardwareModuleNamesOf,
  keyUsageBits,
  type LintedCertificate,
  purposesOf,
  subjectAltNamesOf,
  subjectTextsOf,
  usageBit,
} from './linted-certificate.js';
import { type LintRule, when } from './lint-rule.js';

const dNSNameTag = contextPrimitive(2);
const iPAddressTag = contextPrimitive(7);

/** A rule for the certificates of profiles that conform to one standard. */
function rule(
  standard: ProfileStandard,
  id: string,
  clause: string,
  check: (certificate: LintedCertificate) => readonly string[],
): LintRule {
  return {
    id: `${standard}-${id}`,
    clause,
    check: (certificate, { conformsTo }) => (conformsTo === standard ? check(certificate) : []),
  };
}

function purposeMissing(certificate: LintedCertificate, oid: string, name: string) {
  return when(!purposesOf(certificate).includes(oid), `extKeyUsage does not hold ${name}`);
}

function isOnlySigning(certificate: LintedCertificate): boolean {
  const bits = keyUsageBits(certificate);
  return bits?.size === 1 && bits.has(usageBit.digitalSignature);
}

const awsCertificates = 'AWS IoT Core Developer Guide, X.509 client certificates';
const azureRegistration = 'Azure IoT Hub Device Provisioning Service, registration ID';
const wiSun = 'Wi-SUN FAN Technical Profile Specification, device certificate';

/** Azure: characters of a registration id, and what it may end with. */
const registrationId = /^[A-Za-z0-9._:-]*[A-Za-z0-9-]$/;
const maxRegistrationIdCharacters = 64;

/** Cloud services: AWS IoT Core and Azure's Device Provisioning Service. */
const cloudRules: readonly LintRule[] = [
  rule('aws-iot', 'common-name', 'AWS IoT Core Developer Guide, just-in-time provisioning', (c) =>
    when(
      subjectTextsOf(c, oids.id_at_commonName).length !== 1,
      'the subject holds one commonName, which templates name things by',
    ),
  ),
  rule('aws-iot', 'key', awsCertificates, ({ keyFamily }) =>
    when(
      !['rsa', 'ec-p256', 'ec-other'].includes(keyFamily),
      'the key is RSA or on P-256, P-384 or P-521',
    ),
  ),
  rule('aws-iot', 'purpose', 'RFC 5280 4.2.1.12', (c) =>
    purposeMissing(c, oids.id_kp_clientAuth, 'clientAuth'),
  ),
  rule('azure-dps', 'registration-id', azureRegistration, (certificate) => {
    const [id, ...others] = subjectTextsOf(certificate, oids.id_at_commonName);
    if (id === undefined || others.length > 0) {
      return ['the subject holds one commonName, the registration id'];
    }
    return [
      ...when(
        id.length > maxRegistrationIdCharacters,
        `the registration id has ${String(id.length)} characters, at most 64 are allowed`,
      ),
      ...when(
        !registrationId.test(id),
        'a registration id has letters, digits and - . _ : only, and ends with a letter, a digit ' +
          'or a dash',
      ),
    ];
  }),
  rule('azure-dps', 'purpose', 'RFC 5280 4.2.1.12', (c) =>
    purposeMissing(c, oids.id_kp_clientAuth, 'clientAuth'),
  ),
];

/** Devices of a Wi-SUN field area network. */
const wiSunRules: readonly LintRule[] = [
  rule('wi-sun-fan', 'key', wiSun, ({ keyFamily, tbsSignatureAlgorithm }) => [
    ...when(keyFamily !== 'ec-p256', 'the key is on P-256'),
    ...when(
      Buffer.compare(tbsSignatureAlgorithm.der, signatureAlgorithmDer('ecdsa-sha256')) !== 0,
      'the signature is ECDSA with SHA-256',
    ),
  ]),
  rule('wi-sun-fan', 'validity', wiSun, ({ notAfter }) =>
    when(!isWithoutExpiration(notAfter), 'notAfter is 99991231235959Z'),
  ),
  rule('wi-sun-fan', 'key-usage', wiSun, (certificate) => {
    const bits = keyUsageBits(certificate);
    const isRight =
      bits?.has(usageBit.digitalSignature) === true &&
      [...bits].every((bit) => bit === usageBit.digitalSignature || bit === usageBit.keyAgreement);
    return when(!isRight, 'keyUsage is digitalSignature, with keyAgreement at most');
  }),
  rule('wi-sun-fan', 'purpose', wiSun, (certificate) => [
    ...purposeMissing(certificate, oids.id_kp_clientAuth, 'clientAuth'),
    ...purposeMissing(certificate, oids.id_kp_wisun_fan_device, 'id-kp-wisun-fan-device'),
  ]),
  rule('wi-sun-fan', 'hardware-module-name', wiSun, (certificate) => [
    ...when(
      hardwareModuleNamesOf(certificate).length !== 1,
      'subjectAltName holds one hardwareModuleName',
    ),
    ...when(
      findExtension(certificate, oids.id_ce_subjectAltName)?.critical !== true,
      'subjectAltName is critical',
    ),
  ]),
];

/** Ends of TLS connections, and code. */
const purposeRules: readonly LintRule[] = [
  rule('tls-server', 'purpose', 'RFC 5280 4.2.1.12', (c) =>
    purposeMissing(c, oids.id_kp_serverAuth, 'serverAuth'),
  ),
  rule('tls-server', 'name', 'RFC 9525 3', (certificate) =>
    when(
      subjectAltNamesOf(certificate, dNSNameTag).length === 0 &&
        subjectAltNamesOf(certificate, iPAddressTag).length === 0,
      'subjectAltName holds a dNSName or an iPAddress: clients look at nothing else',
    ),
  ),
  rule('tls-client', 'purpose', 'RFC 5280 4.2.1.12', (c) =>
    purposeMissing(c, oids.id_kp_clientAuth, 'clientAuth'),
  ),
  rule('code-signing', 'purpose', 'RFC 5280 4.2.1.12', (certificate) => {
    const purposes = purposesOf(certificate);
    const isRight = purposes.length === 1 && purposes[0] === oids.id_kp_codeSigning;
    return when(!isRight, 'a key that signs code does nothing else: extKeyUsage is codeSigning');
  }),
  rule('code-signing', 'key-usage', 'RFC 5280 4.2.1.3', (c) =>
    when(!isOnlySigning(c), 'keyUsage is digitalSignature'),
  ),
];

const secondsPerDay = 86_400;
const maxShortLifeDays = 7;

function pointersToStatus(certificate: LintedCertificate): readonly string[] {
  const access = findExtension(certificate, oids.id_pe_authorityInfoAccess)?.value;
  const hasOcsp = access?.children.some((description) =>
    description.children.some(({ content, tag }) => tag === 0x06 && isOcspMethod(content)),
  );
  return [
    ...when(
      findExtension(certificate, oids.id_ce_cRLDistributionPoints) !== undefined,
      'cRLDistributionPoints',
    ),
    ...when(findExtension(certificate, oids.id_ce_freshestCRL) !== undefined, 'freshestCRL'),
    ...when(hasOcsp === true, 'an OCSP responder'),
  ];
}

/** Content octets of id-ad-ocsp. */
const ocspMethod = Buffer.from('2b06010505073001', 'hex');

function isOcspMethod(content: Uint8Array): boolean {
  return Buffer.compare(content, ocspMethod) === 0;
}

/** Certificates that end before a revocation could be told. */
const shortLivedRules: readonly LintRule[] = [
  rule('short-lived', 'life', 'CA/Browser Forum Baseline Requirements 1.6.1', (certificate) => {
    const seconds = secondsOf(certificate.notAfter) - secondsOf(certificate.notBefore) + 1;
    return when(
      seconds > maxShortLifeDays * secondsPerDay,
      'a certificate that lives for more than 7 days is not short-lived',
    );
  }),
  rule('short-lived', 'no-revocation', 'RFC 9608 2', (certificate) =>
    when(
      findExtension(certificate, oids.id_ce_noRevAvail) === undefined,
      'noRevAvail says that nothing tells its status',
    ),
  ),
  {
    id: 'no-revocation-available',
    clause: 'RFC 9608 2',
    check: (certificate, { role }) => {
      const extension = findExtension(certificate, oids.id_ce_noRevAvail);
      if (extension === undefined) return [];
      return [
        ...when(role === 'ca', 'the certificate of a CA has no noRevAvail'),
        ...when(extension.critical, 'noRevAvail is not critical'),
        ...pointersToStatus(certificate).map((what) => `noRevAvail contradicts ${what}`),
      ];
    },
  },
];

/** Certificates that sign uses itself: they are never issued to an order. */
const authorityRules: readonly LintRule[] = [
  rule('ocsp-responder', 'purpose', 'RFC 6960 4.2.2.2', (certificate) => {
    const purposes = purposesOf(certificate);
    const isRight = purposes.length === 1 && purposes[0] === oids.id_kp_OCSPSigning;
    return when(!isRight, 'extKeyUsage is OCSPSigning alone');
  }),
  rule('ocsp-responder', 'key-usage', 'RFC 6960 4.2.2.2', (c) =>
    when(!isOnlySigning(c), 'keyUsage is digitalSignature'),
  ),
  rule('ocsp-responder', 'nocheck', 'RFC 6960 4.2.2.2.1', (certificate) => {
    const extension = findExtension(certificate, oids.id_pkix_ocsp_nocheck);
    return when(
      extension === undefined || extension.critical,
      'id-pkix-ocsp-nocheck is there and not critical: who would tell the status of a responder?',
    );
  }),
  rule('crl-signer', 'key-usage', 'RFC 5280 4.2.1.3', (certificate) => {
    const bits = keyUsageBits(certificate);
    const isRight = bits?.size === 1 && bits.has(usageBit.cRLSign);
    return when(!isRight, 'keyUsage is cRLSign alone');
  }),
  rule('crl-signer', 'purpose', 'RFC 5280 4.2.1.12', (certificate) =>
    when(
      findExtension(certificate, oids.id_ce_extKeyUsage) !== undefined,
      'no purpose is for CRLs: extKeyUsage is absent',
    ),
  ),
];

/** Rules of what a profile can promise beside the DevIDs of 802.1AR and Matter's attestation. */
export const serviceRules: readonly LintRule[] = [
  ...cloudRules,
  ...wiSunRules,
  ...purposeRules,
  ...shortLivedRules,
  ...authorityRules,
];
