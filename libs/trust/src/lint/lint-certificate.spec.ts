import { builtInProfiles, parseProfile } from '@certmill/domain/profile-files';
import { makeSamples } from '../admission/sample-certificates.js';
import { aSampleIssuer, sampleNowMs } from '../testing/sample-issuer.js';
import { lintCertificate, lintRules } from './lint-certificate.js';

async function aCertificate(): Promise<Uint8Array> {
  const profile = builtInProfiles().get('tls-client')!;
  const [sample] = await makeSamples(profile, aSampleIssuer(), sampleNowMs);
  return sample!.der;
}

describe('lintCertificate', () => {
  it('has rules with ids of their own that cite a clause each', () => {
    const ids = lintRules.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(lintRules.filter(({ clause }) => clause === '')).toEqual([]);
  });

  it('finds nothing in a good certificate', async () => {
    expect(lintCertificate(await aCertificate(), {})).toEqual([]);
  });

  it('finds a serial number that is negative', async () => {
    const der = await aCertificate();
    const serial = Buffer.from(der).indexOf(Buffer.from([0x02, 0x14]));
    der[serial + 2] = 0x81;
    expect(lintCertificate(der, {}).map(({ clause }) => clause)).toContain('RFC 5280 4.1.2.2');
  });

  it('finds a time that is out of its form', async () => {
    const der = await aCertificate();
    const time = Buffer.from(der).indexOf(Buffer.from([0x17, 0x0d]));
    der[time + 14] = 0x2b;
    expect(lintCertificate(der, {}).map(({ rule }) => rule)).toContain('validity-encoding');
  });

  it('finds another authority key identifier than the issuer has', async () => {
    const findings = lintCertificate(await aCertificate(), {
      issuerKeyIdentifier: new Uint8Array(20),
    });
    expect(findings.map(({ rule }) => rule)).toEqual(['authority-key-identifier']);
  });

  it.each([
    ['digitalSignature', []],
    ['nonRepudiation', []],
    ['keyEncipherment', ['ml-dsa-key-usage']],
    ['keyAgreement', ['ml-dsa-key-usage']],
    ['digitalSignature, dataEncipherment', ['ml-dsa-key-usage']],
    ['digitalSignature, keyAgreement, encipherOnly', ['ml-dsa-key-usage']],
  ])('holds a certificate of an ML-DSA key for %s to RFC 9881 5', async (bits, expected) => {
    for (const type of ['ml-dsa-44', 'ml-dsa-65', 'ml-dsa-87'] as const) {
      const profile = parseProfile(
        `
name: pq
version: 1
description: Signs, or should.
keys: [${type}]
signatureHashes: [sha256]
validity: { lifetime: 1y }
subject:
  - { type: commonName, from: [deviceId] }
extensions:
  basicConstraints: { critical: true }
  keyUsage: { bits: [${bits}], critical: true }
  subjectKeyIdentifier: sha1
  authorityKeyIdentifier: true
csr: { otherSubjectAttributes: ignore, ignoredExtensions: [] }
`,
        'pq.yaml',
      );
      const samples = await makeSamples(profile, aSampleIssuer(), sampleNowMs);
      const rules = samples.flatMap(({ der }) => lintCertificate(der, {}).map(({ rule }) => rule));
      expect([...new Set(rules)]).toEqual(expected);
    }
  });

  it('says of every truncation that it is no certificate, and never throws', async () => {
    const der = await aCertificate();
    for (let length = 0; length < der.length; length += 1) {
      const findings = lintCertificate(der.subarray(0, length), {});
      expect(findings.map(({ rule }) => rule)).toEqual(['certificate-is-der']);
    }
  });

  it('never throws on a certificate with one octet changed', async () => {
    const der = await aCertificate();
    for (let at = 0; at < der.length; at += 1) {
      for (const octet of [0x00, 0x7f, 0x80, 0xff]) {
        const changed = der.slice();
        changed[at] = octet;
        expect(Array.isArray(lintCertificate(changed, {}))).toBe(true);
      }
    }
  });
});
