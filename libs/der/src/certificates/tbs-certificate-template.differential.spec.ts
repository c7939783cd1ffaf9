import 'reflect-metadata';

import { createHash, createPublicKey, sign, X509Certificate } from 'node:crypto';

import * as x509 from '@peculiar/x509';

import { type IssuerSignatureAlgorithm, signatureAlgorithmDer } from '../keys/algorithms.js';
import {
  attributeTypeAndValue,
  authorityInfoAccess,
  authorityKeyIdentifier,
  basicConstraints,
  certificatePolicies,
  crlDistributionPoints,
  directoryName,
  dNSName,
  extension,
  extKeyUsage,
  generalNames,
  hardwareModuleName,
  iPAddress,
  keyUsage,
  rdnSequence,
  relativeDistinguishedName,
  rfc822Name,
  subjectKeyIdentifier,
  uniformResourceIdentifier,
} from './certificate-nodes.js';
import { encodeSequence } from '../encoding/der-encode.js';
import type { DerTemplate } from '../template/der-template.js';
import { NO_EXPIRATION_SECONDS } from '../encoding/der-time.js';
import { CERTIFICATE_HEAD_ROOM, finishCertificate, signatureRoom } from './finish-certificate.js';
import { oids } from '../encoding/oids.js';
import { readExtensions } from './read-extensions.js';
import type { SlotValues } from '../template/slot-values.js';
import { tbsCertificateTemplate, tbsSlots } from './tbs-certificate-template.js';
import {
  fixed,
  optional,
  rawSlot,
  type SkiMethod,
  type TemplateNode,
} from '../template/template-node.js';
import {
  anEcKey,
  anEd25519Key,
  anRsaKey,
  type TestKey,
} from '../testing/a-certification-request.js';
import {
  aRandomGeneralName,
  aRandomName,
  HOST_ALPHABET,
  PRINTABLE_ALPHABET,
  UNICODE_ALPHABET,
} from '../testing/random-names.js';
import { SeededRandom } from '../testing/seeded-random.js';
import {
  expectSameExtensionValue,
  expectSameName,
  hexOf,
  valueOf,
} from '../testing/x509-oracle.js';
import {
  type CertificateWalk,
  createCertificateWalk,
  walkCertificate,
} from './walk-certificate.js';

const CERTIFICATES_PER_TEMPLATE = 50;
const TEMPLATES = 24;

const slots = { commonName: 'commonName', serial: 'serial', san: 'san', site: 'site' } as const;

interface Case {
  readonly issuer: TestKey;
  readonly issuerNameDer: Uint8Array;
  readonly subject: TemplateNode;
  readonly skiMethod: SkiMethod;
  readonly template: DerTemplate;
  readonly extensionOids: readonly string[];
}

const issuers = [anEcKey(), anEcKey('P-384'), anEcKey('P-521'), anEd25519Key(), anRsaKey()];
const deviceKeys = [...issuers, anEcKey(), anEcKey(), anEcKey()];

function aRandomCase(random: SeededRandom): Case {
  const issuer = random.pick(issuers);
  const issuerNameDer = aRandomName(random);
  const skiMethod = random.pick(['sha1', 'rfc7093-sha256'] as const);
  const subject = rdnSequence(
    relativeDistinguishedName(
      attributeTypeAndValue(oids.id_at_organizationName, 'utf8String', 'Acme \u00e4'),
    ),
    optional(
      slots.site,
      relativeDistinguishedName(
        attributeTypeAndValue(oids.id_at_localityName, 'utf8String', { slot: slots.site }),
      ),
    ),
    // Multi-valued, so that the order depends on what the slots bring.
    relativeDistinguishedName(
      attributeTypeAndValue(oids.id_at_serialNumber, 'printableString', { slot: slots.serial }),
      attributeTypeAndValue(oids.id_at_commonName, 'utf8String', { slot: slots.commonName }),
    ),
  );
  const san = generalNames(
    dNSName({ slot: slots.san }),
    uniformResourceIdentifier(`urn:dev:${random.text(HOST_ALPHABET, 10)}`),
    rfc822Name('a@b.example'),
    iPAddress(random.bytes(4)),
    directoryName(fixed(aRandomName(random))),
    hardwareModuleName('1.3.6.1.4.1.99999.3', { slot: slots.serial }),
    fixed(aRandomGeneralName(random)),
  );
  const candidates: readonly (readonly [string, TemplateNode])[] = [
    [oids.id_ce_keyUsage, keyUsage(['digitalSignature', 'keyAgreement'])],
    [oids.id_ce_extKeyUsage, extKeyUsage([oids.id_kp_clientAuth, oids.id_kp_serverAuth])],
    [oids.id_ce_basicConstraints, basicConstraints(random.chance(0.3), undefined)],
    [oids.id_ce_authorityKeyIdentifier, authorityKeyIdentifier(random.bytes(20))],
    [
      oids.id_ce_subjectKeyIdentifier,
      subjectKeyIdentifier({ spkiSlot: tbsSlots.spki, method: skiMethod }),
    ],
    [oids.id_ce_subjectAltName, san],
    [
      oids.id_ce_cRLDistributionPoints,
      crlDistributionPoints(['http://crl.example/1.crl', 'ldap://crl.example/1']),
    ],
    [
      oids.id_pe_authorityInfoAccess,
      authorityInfoAccess({ ocsp: ['http://ocsp.example'], caIssuers: ['http://ca.example/ca'] }),
    ],
    [oids.id_ce_certificatePolicies, certificatePolicies([oids.anyPolicy, '1.3.6.1.4.1.99999.4'])],
  ];
  const chosen = candidates.filter(() => random.chance(0.8));
  return {
    issuer,
    issuerNameDer,
    subject,
    skiMethod,
    extensionOids: chosen.map(([oid]) => oid),
    template: tbsCertificateTemplate({
      signatureAlgorithm: issuer.signatureAlgorithmDer,
      issuerNameDer,
      subject,
      extensions: chosen.map(([oid, value]) => extension(oid, random.chance(0.5), value)),
    }),
  };
}

interface Content {
  readonly serialNumber: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly device: TestKey;
  readonly commonName: string;
  readonly serial: string;
  readonly site: string | undefined;
}

function aRandomContent(random: SeededRandom): Content {
  const serialNumber = random.bytes(20);
  serialNumber[0] = 1 + random.below(127);
  const notBefore = random.below(4_000_000_000);
  return {
    serialNumber,
    notBefore,
    notAfter: random.chance(0.3) ? NO_EXPIRATION_SECONDS : notBefore + random.below(2_000_000_000),
    device: random.pick(deviceKeys),
    commonName: random.text(UNICODE_ALPHABET, 64),
    serial: random.text(PRINTABLE_ALPHABET, 20),
    site: random.chance(0.5) ? random.text(UNICODE_ALPHABET, 10) : undefined,
  };
}

function fill(template: DerTemplate, values: SlotValues, content: Content): void {
  const indexOf = (name: string): number => template.slotIndex(name);
  values.clearAll();
  values.setBytes(indexOf(tbsSlots.serialNumber), content.serialNumber);
  values.setSeconds(indexOf(tbsSlots.notBefore), content.notBefore);
  values.setSeconds(indexOf(tbsSlots.notAfter), content.notAfter);
  values.setBytes(indexOf(tbsSlots.spki), content.device.spki);
  values.setText(indexOf(slots.commonName), content.commonName);
  values.setText(indexOf(slots.serial), content.serial);
  if (content.site !== undefined) values.setText(indexOf(slots.site), content.site);
  if (template.hasSlot(slots.san)) values.setText(indexOf(slots.san), 'device.example');
}

/** Writes, signs and wraps a certificate in the middle of `out`, as the pipeline does. */
function issue(out: Uint8Array, subject: Case, values: SlotValues): Uint8Array {
  const { issuer, template } = subject;
  const algorithm = signatureAlgorithmDer(issuer.signatureAlgorithm as IssuerSignatureAlgorithm);
  const tbsEnd = out.length - signatureRoom(algorithm, 600);
  const tbsStart = template.write(out, tbsEnd, values, CERTIFICATE_HEAD_ROOM);
  const signature = sign(issuer.hash, out.subarray(tbsStart, tbsEnd), issuer.privateKey);
  const { start, end } = finishCertificate(out, tbsStart, tbsEnd, algorithm, signature);
  return out.slice(start, end);
}

function expectedKeyIdentifier(subject: Case, walk: CertificateWalk, der: Uint8Array): string {
  const key = der.subarray(walk.subjectPublicKeyStart, walk.subjectPublicKeyEnd);
  const digest = createHash(subject.skiMethod === 'sha1' ? 'sha1' : 'sha256')
    .update(key)
    .digest();
  return digest.subarray(0, 20).toString('hex');
}

function expectIssued(der: Uint8Array, subject: Case, content: Content): void {
  const walk = createCertificateWalk();
  expect(walkCertificate(der, 0, der.length, walk) || walk.error).toBe(true);
  const part = (start: number, end: number): string => hexOf(der.subarray(start, end));
  const serialNumber = hexOf(content.serialNumber);

  // What was asked for.
  expect(part(walk.serialNumberStart, walk.serialNumberEnd)).toBe(serialNumber);
  expect([walk.version, walk.notBeforeSeconds, walk.notAfterSeconds]).toEqual([
    3,
    content.notBefore,
    content.notAfter,
  ]);
  expect(part(walk.issuerStart, walk.issuerEnd)).toBe(hexOf(subject.issuerNameDer));
  expect(part(walk.subjectPKInfoStart, walk.subjectPKInfoEnd)).toBe(hexOf(content.device.spki));

  // What @peculiar/x509 reads.
  const oracle = new x509.X509Certificate(der);
  expect(oracle.serialNumber).toBe(serialNumber);
  expect(oracle.notBefore.getTime()).toBe(content.notBefore * 1_000);
  expect(oracle.notAfter.getTime()).toBe(content.notAfter * 1_000);
  expect(hexOf(oracle.issuerName.toArrayBuffer())).toBe(hexOf(subject.issuerNameDer));
  expect(hexOf(oracle.publicKey.rawData)).toBe(hexOf(content.device.spki));
  expect(hexOf(oracle.signature)).toBe(part(walk.signatureStart, walk.signatureEnd));
  expect(oracle.subjectName.getField('O')).toEqual(['Acme \u00e4']);
  expect(oracle.subjectName.getField('CN')).toEqual([content.commonName]);
  expect(oracle.subjectName.getField('2.5.4.5')).toEqual([content.serial]);
  expect(oracle.subjectName.getField('L')).toEqual(
    content.site === undefined ? [] : [content.site],
  );
  expectSameName(der, walk.subjectStart, walk.subjectEnd);

  const extensions =
    walk.extensionsStart < 0
      ? []
      : valueOf(readExtensions(der, walk.extensionsStart, walk.extensionsEnd));
  expect(extensions.map((found) => found.oid)).toEqual(subject.extensionOids);
  expect(
    extensions.map((found) => [found.oid, found.critical, part(found.valueStart, found.valueEnd)]),
  ).toEqual(oracle.extensions.map((found) => [found.type, found.critical, hexOf(found.value)]));
  for (const found of extensions) expectSameExtensionValue(der, found);
  expectExtensionsOfOracle(oracle, subject, walk, der);

  // What OpenSSL reads and verifies.
  const certificate = new X509Certificate(der);
  expect(certificate.serialNumber.toLowerCase()).toBe(serialNumber);
  expect(certificate.verify(createPublicKey(subject.issuer.privateKey))).toBe(true);
  expect(certificate.validToDate.getTime()).toBe(content.notAfter * 1_000);
  expect(certificate.publicKey.export({ type: 'spki', format: 'der' })).toEqual(
    Buffer.from(content.device.spki),
  );
}

function expectExtensionsOfOracle(
  oracle: x509.X509Certificate,
  subject: Case,
  walk: CertificateWalk,
  der: Uint8Array,
): void {
  const ski = oracle.getExtension(x509.SubjectKeyIdentifierExtension);
  if (ski !== null) expect(ski.keyId).toBe(expectedKeyIdentifier(subject, walk, der));
  const usage = oracle.getExtension(x509.KeyUsagesExtension);
  if (usage !== null) {
    expect(usage.usages).toBe(
      x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyAgreement,
    );
  }
  const access = oracle.getExtension(x509.AuthorityInfoAccessExtension);
  if (access !== null) {
    expect(access.ocsp.map((name) => name.value)).toEqual(['http://ocsp.example']);
    expect(access.caIssuers.map((name) => name.value)).toEqual(['http://ca.example/ca']);
  }
  const points = oracle.getExtension(x509.CRLDistributionPointsExtension);
  if (points !== null) {
    expect(
      points.distributionPoints.map((point) =>
        point.distributionPoint?.fullName?.map((name) => name.uniformResourceIdentifier),
      ),
    ).toEqual([['http://crl.example/1.crl', 'ldap://crl.example/1']]);
  }
  const policies = oracle.getExtension(x509.CertificatePolicyExtension);
  if (policies !== null) {
    expect(policies.policies).toEqual([oids.anyPolicy, '1.3.6.1.4.1.99999.4']);
  }
}

describe('certificates spliced from templates', () => {
  test(`${TEMPLATES * CERTIFICATES_PER_TEMPLATE} read back with every field as it was asked for`, () => {
    const random = new SeededRandom(5_280);
    const out = new Uint8Array(8_192);
    for (let count = 0; count < TEMPLATES; count += 1) {
      const subject = aRandomCase(random);
      const values = subject.template.createValues();
      for (let issued = 0; issued < CERTIFICATES_PER_TEMPLATE; issued += 1) {
        const content = aRandomContent(random);
        fill(subject.template, values, content);
        out.fill(random.below(256));
        expectIssued(issue(out, subject, values), subject, content);
      }
    }
  });

  test('copy subject and names from elsewhere as they are', () => {
    const random = new SeededRandom(7);
    const [issuer = anEcKey()] = issuers;
    const template = tbsCertificateTemplate({
      signatureAlgorithm: issuer.signatureAlgorithmDer,
      issuerNameDer: aRandomName(random),
      subject: rawSlot('subject'),
      extensions: [
        extension(oids.id_ce_basicConstraints, true, basicConstraints(false)),
        optional('san', extension(oids.id_ce_subjectAltName, false, rawSlot('san'))),
      ],
    });
    const values = template.createValues();
    const name = aRandomName(random);
    const san = encodeSequence(aRandomGeneralName(random));
    const write = (): Uint8Array => {
      const out = new Uint8Array(4_096);
      const start = template.write(out, 3_000, values);
      return out.subarray(start, 3_000);
    };
    values.setBytes(template.slotIndex(tbsSlots.serialNumber), Uint8Array.of(1));
    values.setSeconds(template.slotIndex(tbsSlots.notBefore), 0);
    values.setSeconds(template.slotIndex(tbsSlots.notAfter), NO_EXPIRATION_SECONDS);
    values.setBytes(template.slotIndex(tbsSlots.spki), issuer.spki);
    values.setBytes(template.slotIndex('subject'), name);
    expect(Buffer.from(write()).includes(Buffer.from(san))).toBe(false);
    const padded = Buffer.concat([Buffer.alloc(9), san, Buffer.alloc(9)]);
    values.setRange(template.slotIndex('san'), padded, 9, 9 + san.length);
    expect(Buffer.from(write()).includes(Buffer.from(san))).toBe(true);
    expect(Buffer.from(write()).includes(Buffer.from(name))).toBe(true);
  });
});
