import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pemEncode } from '@certmill/der';
import { builtInProfiles } from '@certmill/domain/profile-files';
import { makeSamples } from '../admission/sample-certificates.js';
import { lintMatterAttestation } from '../lint/lint-matter-attestation.js';
import { findPkilint, pkilintFindings } from '../testing/pkilint.js';
import { findZlint, zlintFindings } from '../testing/zlint.js';
import { type CaKeyPair, caSignerOf, generateCaKey } from './ca-key.js';
import { caProfiles, caSpecOf, lintCaCertificate } from './ca-profiles.js';
import { readCaCertificate } from './ca-certificate.js';
import { type DistinguishedName, parseDistinguishedName } from './distinguished-name.js';
import { issueCaCertificate, newCaSerialNumber } from './issue-ca-certificate.js';

const paaProfile = caProfiles['matter-paa'];
const paiProfile = caProfiles['matter-pai'];
const notBeforeMs = Date.UTC(2026, 0, 1);
const paaName = parseDistinguishedName('CN=Example PAA,matterVendorId=FFF1');
const paiName = parseDistinguishedName('CN=Example PAI,matterVendorId=FFF1');

function specOf(profile: typeof paaProfile, subject: DistinguishedName) {
  const serialNumber = newCaSerialNumber();
  return caSpecOf(profile, { subject, keyType: 'ec-p256', serialNumber, notBeforeMs });
}

interface Authorities {
  readonly paa: Uint8Array;
  readonly pai: Uint8Array;
  readonly paiKey: CaKeyPair;
}

async function aVendor(intermediate = paiName): Promise<Authorities> {
  const [paaKey, paiKey] = await Promise.all([generateCaKey('ec-p256'), generateCaKey('ec-p256')]);
  const signer = caSignerOf(paaKey.privateKey, paaKey.subjectPKInfoDer);
  const paa = await issueCaCertificate(specOf(paaProfile, paaName), paaKey.subjectPKInfoDer, {
    signer,
  });
  const pai = await issueCaCertificate(specOf(paiProfile, intermediate), paiKey.subjectPKInfoDer, {
    certificateDer: paa,
    signer,
  });
  return { paa, pai, paiKey };
}

/** A device under the intermediate, by the built-in profile: vendor FFF1, product 8000. */
async function aDevice({ pai, paiKey }: Authorities): Promise<Uint8Array> {
  const issuer = readCaCertificate(pai, 'the intermediate');
  const [sample] = await makeSamples(
    builtInProfiles().get('matter-dac')!,
    { ...issuer, name: 'pai', signatureAlgorithm: 'ecdsa-sha256' },
    Date.UTC(2026, 6, 1),
    paiKey.privateKey,
  );
  return sample!.der;
}

describe('the CA profiles of Matter', () => {
  it('make an authority and an intermediate whose devices keep the whole attestation format', async () => {
    const vendor = await aVendor();
    const dac = await aDevice(vendor);
    expect(lintCaCertificate(paaProfile, vendor.paa)).toEqual([]);
    expect(lintCaCertificate(paiProfile, vendor.pai)).toEqual([]);
    const product = { vendorId: 'FFF1', productId: '8000' };
    expect(lintMatterAttestation(dac, vendor.pai, vendor.paa, product)).toEqual([]);
    const other = lintMatterAttestation(dac, vendor.pai, vendor.paa, {
      ...product,
      productId: '8001',
    });
    expect(other.map(({ rule }) => rule)).toEqual(['attested-product']);
  });

  it('make what openssl, zlint and pkilint agree with', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'certmill-matter-'));
    try {
      const vendor = await aVendor();
      const write = (name: string, der: Uint8Array) => {
        const file = join(folder, name);
        writeFileSync(file, der);
        return file;
      };
      const paa = write('paa.der', vendor.paa);
      const pai = write('pai.der', vendor.pai);
      const dac = write('dac.der', await aDevice(vendor));
      const trusted = write('paa.pem', Buffer.from(pemEncode('CERTIFICATE', vendor.paa)));
      const untrusted = write('pai.pem', Buffer.from(pemEncode('CERTIFICATE', vendor.pai)));
      const output = execFileSync('openssl', [
        ...['verify', '-x509_strict', '-CAfile', trusted, '-untrusted', untrusted, dac],
      ]);
      expect(output.toString()).toContain('OK');
      const zlint = findZlint();
      const files = [paa, pai, dac];
      if (zlint !== undefined) {
        expect(files.map((file) => zlintFindings(zlint, file))).toEqual([{}, {}, {}]);
      }
      const pkilint = findPkilint();
      if (pkilint !== undefined) {
        const bad = Object.values(pkilintFindings(pkilint, files)).flatMap((findings) =>
          Object.entries(findings).filter(([, severity]) => severity !== 'INFO'),
        );
        expect(bad).toEqual([]);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('tie an intermediate with a product id to that product', async () => {
    const vendor = await aVendor([...paiName, { type: 'matterProductId', value: '8001' }]);
    const findings = lintMatterAttestation(await aDevice(vendor), vendor.pai, vendor.paa);
    expect(findings.map(({ rule }) => rule)).toEqual(
      expect.arrayContaining(['dac-ids', 'chain-product-id']),
    );
  });

  it('see an intermediate of another vendor than its authority', async () => {
    const vendor = await aVendor(parseDistinguishedName('CN=Other PAI,matterVendorId=FFF2'));
    const rules = lintCaCertificate(paiProfile, vendor.pai).map(({ rule }) => rule);
    expect(rules).toEqual(['pai-ids']);
  });

  it.each([
    ['an intermediate without a vendor', paiProfile, 'CN=PAI', 'the subject needs matterVendorId'],
    ['a lower-case vendor id', paiProfile, 'CN=PAI,matterVendorId=fff1', 'four upper-case hex'],
    ['an authority with a product', paaProfile, 'CN=PAA,matterProductId=8000', 'may not hold'],
    ['a name twice', paaProfile, 'CN=PAA,CN=PAB', 'commonName stands twice'],
  ])('refuse %s', (_, profile, name, reason) => {
    expect(() => specOf(profile, parseDistinguishedName(name))).toThrow(reason);
  });

  it('refuse another key than one on P-256', () => {
    const input = { subject: paaName, serialNumber: newCaSerialNumber(), notBeforeMs };
    expect(() => caSpecOf(paaProfile, { ...input, keyType: 'ec-p384' })).toThrow(
      'CA profile matter-paa: the key is ec-p256, not ec-p384',
    );
  });
});
