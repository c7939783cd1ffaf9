import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pemEncode } from '@certmill/der';
import { builtInProfiles } from '@certmill/domain/profile-files';
import { makeSamples } from '../admission/sample-certificates.js';
import { inspect } from '../inspect/inspect.js';
import { lintMatterAttestation } from '../lint/lint-matter-attestation.js';
import { itWithPkilint, pkilintFindings } from '../testing/pkilint.js';
import { itWithZlint, zlintFindings } from '../testing/zlint.js';
import { type CaKeyPair, caSignerOf, generateCaKey } from './ca-key.js';
import { caOfProfile, caProfiles, lintCaCertificate } from './ca-profiles.js';
import { readCaCertificate } from './ca-certificate.js';
import {
  type DistinguishedName,
  distinguishedNameDer,
  parseDistinguishedName,
} from './distinguished-name.js';
import { createRoot, issueAuthority } from './issue-authority.js';
import { issueCaCertificate, newCaSerialNumber, noExpirationMs } from './issue-ca-certificate.js';
import { requestAuthority, signAuthorityRequest } from './request-authority.js';

const paaProfile = caProfiles['matter-paa'];
const paiProfile = caProfiles['matter-pai'];
const notBeforeMs = Date.UTC(2026, 0, 1);
const paaName = parseDistinguishedName('CN=Example PAA,matterVendorId=FFF1');
const paiName = parseDistinguishedName('CN=Example PAI,matterVendorId=FFF1');

function specOf(profile: typeof paaProfile, subject: DistinguishedName) {
  const times = { notBeforeMs, notAfterMs: noExpirationMs };
  const { subjectDer, pathLenConstraint } = caOfProfile(profile, { subject, keyType: 'ec-p256' });
  return { subjectDer, pathLenConstraint, serialNumber: newCaSerialNumber(), ...times };
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
    chainDer: [paa],
    signer,
  });
  return { paa, pai, paiKey };
}

/** A device under the intermediate: vendor FFF1, product 8000, whatever the intermediate is for. */
async function aDevice({ pai, paiKey }: Authorities): Promise<Uint8Array> {
  const issuer = readCaCertificate(pai, 'the intermediate');
  const profile = builtInProfiles().get('matter-dac')!;
  const product = { type: 'matterProductId', encoding: 'utf8', value: { fixed: '8000' } } as const;
  const [sample] = await makeSamples(
    { ...profile, subject: [...profile.subject.slice(0, 2), product] },
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

  describe('make what others agree with', () => {
    const folder = mkdtempSync(join(tmpdir(), 'certmill-matter-'));
    const [paa, pai, dac] = ['paa.der', 'pai.der', 'dac.der'].map((name) => join(folder, name));
    const files = [paa!, pai!, dac!];
    let vendor: Authorities;
    beforeAll(async () => {
      vendor = await aVendor();
      for (const [i, der] of [vendor.paa, vendor.pai, await aDevice(vendor)].entries()) {
        writeFileSync(files[i]!, der);
      }
    });
    afterAll(() => {
      rmSync(folder, { recursive: true, force: true });
    });

    it('by openssl', () => {
      const pemFile = (name: string, der: Uint8Array) => {
        writeFileSync(join(folder, name), pemEncode('CERTIFICATE', der));
        return join(folder, name);
      };
      const trusted = pemFile('paa.pem', vendor.paa);
      const untrusted = pemFile('pai.pem', vendor.pai);
      const output = execFileSync('openssl', [
        ...['verify', '-x509_strict', '-CAfile', trusted, '-untrusted', untrusted, dac!],
      ]);
      expect(output.toString()).toContain('OK');
    });

    itWithZlint('by zlint', (zlint) => {
      expect(files.map((file) => zlintFindings(zlint, file))).toEqual([{}, {}, {}]);
    });

    itWithPkilint('by pkilint', (pkilint) => {
      const bad = Object.values(pkilintFindings(pkilint, files)).flatMap((findings) =>
        Object.entries(findings).filter(([, severity]) => severity !== 'INFO'),
      );
      expect(bad).toEqual([]);
    });
  });

  it('tie an intermediate with a product id to that product', async () => {
    const vendor = await aVendor([...paiName, { type: 'matterProductId', value: '8001' }]);
    const findings = lintMatterAttestation(await aDevice(vendor), vendor.pai, vendor.paa);
    const expected = ['dac-ids', 'chain-product-id'];
    expect(findings.map(({ rule }) => rule)).toEqual(expect.arrayContaining(expected));
  });

  it('are told in a file that holds the chain', async () => {
    const seen = async ({ paa, pai, paiKey }: Authorities): Promise<readonly string[]> => {
      const chain = [await aDevice({ paa, pai, paiKey }), pai, paa];
      const text = chain.map((der) => pemEncode('CERTIFICATE', der)).join('');
      const [dac] = inspect(Buffer.from(text));
      return dac!.object!.findings.map(({ rule }) => rule);
    };
    expect(await seen(await aVendor())).toEqual([]);
    const other = [...paiName, { type: 'matterProductId' as const, value: '8001' }];
    expect(await seen(await aVendor(other))).toEqual(['dac-ids', 'chain-product-id']);
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
    expect(() => caOfProfile(paaProfile, { subject: paaName, keyType: 'ec-p384' })).toThrow(
      'CA profile matter-paa: the key is ec-p256, not ec-p384',
    );
  });
});

describe('a data folder with a Matter PAA', () => {
  const nowMs = Date.now();
  const passphrase = 'only for this test';
  const subject = (text: string): DistinguishedName => parseDistinguishedName(text);
  const wish = (name: string, dn: string) => ({
    ...{ name, directory: folder, passphrase },
    ...caOfProfile(paiProfile, { subject: subject(dn), keyType: 'ec-p256' }),
  });
  const root = { name: 'root', passphrase, directory: '' };
  /** As many characters as a name may have, of three octets each. */
  const long = '\u96fb'.repeat(64);
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'certmill-matter-'));
    root.directory = folder;
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const aPaa = (): Promise<unknown> => {
    const ca = caOfProfile(paaProfile, { subject: paaName, keyType: 'ec-p256' });
    return createRoot({ directory: folder, passphrase, ...ca }, nowMs);
  };
  const signed = (requestPem: string, attributes: DistinguishedName = []) =>
    signAuthorityRequest({ requestPem, parent: root, profile: paiProfile, attributes, nowMs });
  /** Of CAs that the root has signed. */
  const issued = (): readonly string[] => {
    const directory = join(folder, 'ca/root/issued');
    return existsSync(directory) ? readdirSync(directory) : [];
  };

  it('issues and signs PAIs of its vendor', async () => {
    await aPaa();
    const pai = await issueAuthority(wish('pai', 'CN=PAI,matterVendorId=FFF1'), root, nowMs);
    const { requestPem } = await requestAuthority(
      wish('second', 'CN=PAI 2,matterVendorId=FFF1,matterProductId=8000'),
    );
    const { chainDer } = await signed(requestPem, subject('matterVendorId=FFF1'));
    for (const der of [pai.chainDer[0]!, chainDer[0]!]) {
      expect(lintCaCertificate(paiProfile, der)).toEqual([]);
    }
    expect(issued()).toHaveLength(2);
  });

  it.each([
    ['of another vendor', 'CN=PAI,matterVendorId=FFF2', 'the vendor id differs from that'],
    ['of more than 600 octets', `CN=${long},O=${long},matterVendorId=FFF1`, 'at most 600'],
  ])('signs no PAI %s, and keeps nothing of it', async (_, dn, reason) => {
    await aPaa();
    const { requestPem } = await requestAuthority(wish('other', dn));
    await expect(signed(requestPem)).rejects.toThrow(reason);
    await expect(issueAuthority(wish('pai', dn), root, nowMs)).rejects.toThrow(reason);
    expect(issued()).toEqual([]);
    expect(existsSync(join(folder, 'ca/pai'))).toBe(false);
  });

  it('signs no request that asks for something else than what is said of it', async () => {
    await aPaa();
    const { requestPem } = await requestAuthority(wish('pai', 'CN=PAI,matterVendorId=FFF1'));
    await expect(signed(requestPem, subject('matterProductId=8000'))).rejects.toThrow(
      'the request does not ask for the matterProductId 8000',
    );
    const { requestPem: long } = await requestAuthority({
      ...wish('long', 'CN=PAI,matterVendorId=FFF1'),
      pathLenConstraint: 1,
    });
    await expect(signed(long)).rejects.toThrow('CA profile matter-pai: the path length is 0');
    const { requestPem: strong } = await requestAuthority({
      ...wish('strong', 'CN=PAI,matterVendorId=FFF1'),
      keyType: 'ec-p384',
    });
    await expect(signed(strong)).rejects.toThrow('the key is ec-p256, not ec-p384');
    expect(issued()).toEqual([]);
  });

  it('is needed for a PAI: under another root there is none', async () => {
    const plain = { subjectDer: distinguishedNameDer(subject('CN=Root')), pathLenConstraint: 2 };
    await createRoot({ directory: folder, passphrase, keyType: 'ec-p256', ...plain }, nowMs);
    await expect(
      issueAuthority(wish('pai', 'CN=PAI,matterVendorId=FFF1'), root, nowMs),
    ).rejects.toThrow('CA profile matter-paa: of the CA above, basicConstraints is there');
  });
});
