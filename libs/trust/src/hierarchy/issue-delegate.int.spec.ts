import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pemEncode } from '@certmill/der';
import { authorityProfiles, builtInProfiles } from '@certmill/domain/profile-files';
import { createHierarchy } from './create-hierarchy.js';
import { caSignerOf, generateCaKey } from './ca-key.js';
import { issueDelegate } from './issue-delegate.js';
import { type Issuer, loadRoot } from './load-issuers.js';
import { openAuthority } from './open-authority.js';

const passphrase = 'only for this test';
const responder = authorityProfiles().get('ocsp-responder')!;

describe('issueDelegate', () => {
  let folder: string;
  let issuer: Issuer;
  let rootFile: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'certmill-delegate-'));
    const nowMs = Date.now();
    issuer = await createHierarchy({ name: 'line', directory: folder, passphrase, nowMs });
    rootFile = (await loadRoot(folder))!.certificateFile;
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const at = (name: string) => join(folder, name);
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { stdio: 'pipe' }).toString();

  function aRequest(name: string, curve = 'P-256'): Uint8Array {
    const key = ['-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${curve}`, '-nodes'];
    const files = ['-keyout', at(`${name}.key`), '-outform', 'DER', '-out', at(`${name}.csr`)];
    openssl('req', '-new', ...key, '-subj', `/CN=${name}`, ...files);
    return readFileSync(at(`${name}.csr`));
  }

  async function delegate(requestDer: Uint8Array, profile = responder): Promise<Uint8Array> {
    const nowMs = Date.now();
    const authority = await openAuthority({ directory: folder, name: 'line', passphrase }, nowMs);
    return issueDelegate({ profile, authority, requestDer, nowMs });
  }

  it.each([...authorityProfiles().values()])('certifies a $name that openssl takes', async (p) => {
    const file = at(`${p.name}.pem`);
    writeFileSync(file, pemEncode('CERTIFICATE', await delegate(aRequest(p.name), p)));
    const trusted = ['-CAfile', rootFile, '-untrusted', issuer.certificateFile];
    expect(openssl('verify', '-x509_strict', ...trusted, file)).toContain('OK');
  });

  it('certifies a responder whose answers openssl believes', async () => {
    const file = at('responder.pem');
    writeFileSync(file, pemEncode('CERTIFICATE', await delegate(aRequest('responder'))));
    writeFileSync(at('index.txt'), '');
    const certificates = ['-issuer', issuer.certificateFile, '-cert', file];
    openssl('ocsp', ...certificates, '-no_nonce', '-reqout', at('request.der'));
    openssl(
      ...['ocsp', '-index', at('index.txt'), '-CA', issuer.certificateFile],
      ...['-rsigner', file, '-rkey', at('responder.key')],
      ...['-reqin', at('request.der'), '-respout', at('response.der')],
    );
    const verified = execFileSync(
      'sh',
      ['-c', 'exec openssl "$@" 2>&1', 'sh', 'ocsp', ...certificates, '-no_nonce'].concat(
        ...['-respin', at('response.der'), '-CAfile', issuer.chainFile],
      ),
    ).toString();
    expect(verified).toContain('Response verify OK');
  });

  it('signs with no other key than that of the issuer', async () => {
    const opened = await openAuthority({ directory: folder, name: 'line', passphrase }, Date.now());
    for (const keyType of ['ec-p256', 'ec-p384'] as const) {
      const { privateKey, subjectPKInfoDer } = await generateCaKey(keyType);
      for (const spkiDer of [subjectPKInfoDer, issuer.spkiDer]) {
        const authority = { ...opened, signer: caSignerOf(privateKey, spkiDer) };
        const options = { profile: responder, authority, nowMs: Date.now() };
        const made = issueDelegate({ ...options, requestDer: aRequest('foreign') });
        await expect(made).rejects.toMatchObject({ code: 'FAULT_KEY_MISMATCH' });
      }
    }
  });

  it('refuses a profile of orders, a forged request and a key that the profile has not', async () => {
    const tlsClient = builtInProfiles().get('tls-client')!;
    await expect(delegate(aRequest('device'), tlsClient)).rejects.toThrow('is for orders');
    const forged = Uint8Array.from(aRequest('forged'));
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    await expect(delegate(forged)).rejects.toThrow('CSR_POP_INVALID');
    await expect(delegate(aRequest('large', 'P-521'))).rejects.toThrow('KEY_ALGORITHM_FORBIDDEN');
    await expect(delegate(new Uint8Array(3))).rejects.toThrow('CSR_DER_MALFORMED');
  });
});
