import { execFileSync } from 'node:child_process';
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Profile } from '@certmill/domain';
import { authorityProfiles, builtInProfiles } from '@certmill/domain/profile-files';
import { createHierarchy } from '../hierarchy/create-hierarchy.js';
import { type Issuer, loadRoot } from '../hierarchy/load-issuers.js';
import { lintCertificate } from '../lint/lint-certificate.js';
import {
  findPkilint,
  howToGetPkilint,
  itWithPkilint,
  pkilintFindings,
} from '../testing/pkilint.js';
import { findZlint, howToGetZlint, itWithZlint, zlintFindings } from '../testing/zlint.js';
import { lintSample } from './admit-profile.js';
import { makeSamples } from './sample-certificates.js';

const passphrase = 'only for this test';
const nowMs = Date.now();
const catalogue = [...builtInProfiles().values(), ...authorityProfiles().values()];
const pkilint = findPkilint();

/** No fault: pkilint recognizes how subjectKeyIdentifier was made (RFC 5280 4.2.1.2 (1)). */
const recognized = { 'pkix.subject_key_identifier_method_1_identified': 'INFO' };

interface Issued {
  readonly profile: Profile;
  readonly label: string;
  readonly file: string;
  readonly der: Uint8Array;
}

/**
 * Needs openssl on the PATH: it is the verifier that most relying parties have. zlint and pkilint judge
 * where they are installed; in CI they have to be.
 */
describe('certificates of the catalogue under a real hierarchy', () => {
  let folder: string;
  let issuer: Issuer;
  let rootFile: string;
  let chain: readonly string[] = [];
  const issued: Issued[] = [];
  let pkilintSays: Readonly<Record<string, Readonly<Record<string, string>>>> = {};

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'certmill-catalogue-'));
    const status = { baseUri: 'http://status.example.com', crlShards: 16 };
    issuer = await createHierarchy({ name: 'demo', directory: folder, passphrase, status, nowMs });
    rootFile = (await loadRoot(folder))!.certificateFile;
    const key = createPrivateKey({ key: readFileSync(issuer.keyFile), passphrase });
    for (const profile of catalogue) issued.push(...(await issueAll(profile, key)));
    chain = [issuer.certificateFile, rootFile].map((file) => toDer(file));
    if (pkilint !== undefined) {
      pkilintSays = pkilintFindings(pkilint, [...chain, ...issued.map(({ file }) => file)]);
    }
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  async function issueAll(profile: Profile, key: KeyObject): Promise<Issued[]> {
    const samples = await makeSamples(profile, issuer, nowMs, key);
    return samples.map(({ der, label }, index) => {
      const file = join(folder, `${profile.name}-${String(index)}.der`);
      writeFileSync(file, der);
      return { profile, label, file, der };
    });
  }

  function toDer(pemFile: string): string {
    const file = join(folder, `${basename(pemFile)}-${basename(join(pemFile, '..'))}.der`);
    writeFileSync(file, new X509Certificate(readFileSync(pemFile)).raw);
    return file;
  }

  function verify(file: string): string {
    const trusted = ['-CAfile', rootFile, '-untrusted', issuer.certificateFile];
    return execFileSync('openssl', ['verify', '-x509_strict', ...trusted, file]).toString();
  }

  const issuedOf = (name: string) => issued.filter(({ profile }) => profile.name === name);

  it('the issuing CA verifies strictly, and both CAs lint clean', () => {
    expect(verify(issuer.certificateFile)).toContain('OK');
    for (const der of issuer.chainDer) expect(lintCertificate(der, { role: 'ca' })).toEqual([]);
  });

  itWithPkilint('both CAs are what pkilint finds nothing in', () => {
    expect(chain.map((file) => pkilintSays[file])).toEqual([recognized, recognized]);
  });

  describe.each(catalogue.map(({ name }) => name))('%s', (name) => {
    it('lints clean', () => {
      expect(issuedOf(name).length).toBeGreaterThan(0);
      for (const { profile, label, der } of issuedOf(name)) {
        expect([label, lintSample(profile, issuer, { der })]).toEqual([label, []]);
      }
    });

    itWithZlint('is what zlint finds nothing in', (zlint) => {
      for (const { label, file } of issuedOf(name)) {
        expect([label, zlintFindings(zlint, file)]).toEqual([label, {}]);
      }
    });

    // OpenSSL before 3.5 has no ML-DSA; Node's own has.
    it('verifies strictly', () => {
      const issuingKey = new X509Certificate(issuer.chainDer[0]!).publicKey;
      for (const { file, der } of issuedOf(name)) {
        expect(new X509Certificate(der).verify(issuingKey)).toBe(true);
        if (!name.startsWith('ml-dsa')) expect(verify(file)).toContain('OK');
      }
    });

    itWithPkilint('is what pkilint finds nothing in', () => {
      const found = issuedOf(name).map(({ label, file }) => [label, pkilintSays[file]]);
      expect(found).toEqual(issuedOf(name).map(({ label }) => [label, recognized]));
    });
  });

  it('has zlint and pkilint at hand where it is CI that runs it', () => {
    if (process.env['CI'] === undefined) return;
    const missing = [
      ...(findZlint() === undefined ? [howToGetZlint] : []),
      ...(pkilint === undefined ? [howToGetPkilint] : []),
    ];
    expect(missing).toEqual([]);
  });
});
