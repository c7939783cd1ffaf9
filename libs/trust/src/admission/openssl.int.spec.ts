import { execFileSync } from 'node:child_process';
import { createPrivateKey, sign } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serialNumbersOf } from '@certmill/domain';
import { builtInProfiles } from '@certmill/domain/profile-files';
import { CERTIFICATE_HEAD_ROOM, finishCertificate, pemEncode } from '@certmill/der';
import { compileProfile } from '@certmill/pipeline/compute';
import { createHierarchy } from '../hierarchy/create-hierarchy.js';
import type { Issuer } from '../hierarchy/load-issuers.js';
import { loadRoot } from '../hierarchy/load-issuers.js';
import { openSerialKeys } from '../keys/serial-keys.js';
import { findZlint, zlintFindings } from '../testing/zlint.js';
import { makeSamples } from './sample-certificates.js';
import { sampleValuesOf } from './sample-values.js';

const passphrase = 'only for this test';
const nowMs = Date.now();

/** Needs openssl on the PATH: it is the verifier that most relying parties have. */
describe('certificates of the built-in profiles under a real hierarchy', () => {
  let folder: string;
  let issuer: Issuer;
  let rootFile: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'certmill-openssl-'));
    issuer = await createHierarchy({ name: 'demo', directory: folder, passphrase, nowMs });
    rootFile = (await loadRoot(folder))!.certificateFile;
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('the issuing CA verifies strictly', () => {
    const output = execFileSync('openssl', [
      ...['verify', '-x509_strict', '-CAfile', rootFile, issuer.certificateFile],
    ]);
    expect(output.toString()).toContain('OK');
  });

  it.each([...builtInProfiles().values()])('$name verifies strictly', async (profile) => {
    const key = createPrivateKey({ key: readFileSync(issuer.keyFile), passphrase });
    const compiled = compileProfile(profile, issuer);
    const serialKey = (await openSerialKeys(folder)).current;
    const samples = await makeSamples(profile, issuer, nowMs);
    const [first] = sampleValuesOf(profile);
    samples.forEach(({ spki }, index) => {
      const out = new Uint8Array(8_192);
      const serialNumber = serialNumbersOf(serialKey, 'ab'.repeat(13), index, 1, nowMs);
      const input = { serialNumber, receivedAtMs: nowMs, spki, values: first!.values };
      const start = compiled.writeTbs(input, out, 8_000, CERTIFICATE_HEAD_ROOM);
      const signature = sign('sha256', out.subarray(start, 8_000), key);
      const { signatureAlgorithmDer } = compiled;
      const range = finishCertificate(out, start, 8_000, signatureAlgorithmDer, signature);
      const file = join(folder, `${profile.name}-${String(index)}.pem`);
      writeFileSync(file, pemEncode('CERTIFICATE', out.subarray(range.start, range.end)));
      const output = execFileSync('openssl', [
        ...['verify', '-x509_strict', '-CAfile', rootFile, '-untrusted', issuer.certificateFile],
        file,
      ]);
      expect(output.toString()).toContain('OK');
      const zlint = findZlint();
      // An IDevID and a DAC without expiration or SKI extras still keep every RFC 5280 lint.
      if (zlint !== undefined) expect(zlintFindings(zlint, file)).toEqual({});
    });
  });
});
