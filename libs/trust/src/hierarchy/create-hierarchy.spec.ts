import { createPublicKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { decryptPrivateKey, saltOf } from '../keys/encrypted-private-key.js';
import { createHierarchy, type HierarchyOptions } from './create-hierarchy.js';
import {
  chainDefectOf,
  findIssuers,
  lifeLeftMs,
  loadIssuer,
  loadIssuers,
  loadRoot,
} from './load-issuers.js';

const passphrase = 'correct horse';
const nowMs = Date.now();

describe('createHierarchy', () => {
  let folder: string;
  const options = (overrides: Partial<HierarchyOptions> = {}): HierarchyOptions => ({
    name: 'factory',
    directory: folder,
    passphrase,
    nowMs,
    ...overrides,
  });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'certmill-hierarchy-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('makes a root and an issuing CA that verify, without expiration', async () => {
    const issuer = await createHierarchy(options({ organization: 'Exampl\u00e9' }));
    const root = await loadRoot(folder);
    const [issuing, top] = issuer.chainDer.map((der) => new X509Certificate(der));
    expect(issuing!.verify(top!.publicKey)).toBe(true);
    expect(top!.verify(top!.publicKey)).toBe(true);
    expect(issuing!.checkIssued(top!)).toBe(true);
    expect(issuing!.subject).toBe('O=Exampl\u00e9\nCN=factory issuing CA');
    expect(new Date(issuer.notAfterMs).toISOString()).toBe('9999-12-31T23:59:59.000Z');
    expect([issuer.keyType, root?.keyType]).toEqual(['ec-p256', 'ec-p384']);
    expect(issuer.serialKeyId).toBe(1);
    expect(lifeLeftMs(issuer, nowMs)).toBe(issuer.notAfterMs - nowMs);
  });

  it('keeps keys encrypted, for their owner only, and leaves nothing else behind', async () => {
    const issuer = await createHierarchy(options());
    const pem = readFileSync(issuer.keyFile, 'utf8');
    expect(statSync(issuer.keyFile).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'serial-keys.json')).mode & 0o777).toBe(0o600);
    expect(pem).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
    const key = decryptPrivateKey(pem, passphrase, 'the key');
    const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
    expect(Buffer.compare(spki, issuer.spkiDer)).toBe(0);
    expect(readdirSync(dirname(issuer.directory)).sort()).toEqual(['.lock', 'factory', 'root']);
    expect(readdirSync(issuer.directory).sort()).toEqual([
      'ca.json',
      'certificate.pem',
      'chain.pem',
      'chain.sha256',
      'key.pem',
    ]);
  });

  it('encrypts the keys of one folder with one salt, those of another with another', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'certmill-hierarchy-'));
    const first = await createHierarchy(options());
    const second = await createHierarchy(options({ name: 'second' }));
    const foreign = await createHierarchy(options({ directory: elsewhere }));
    const [salt, same, other] = [first, second, foreign].map(({ keyFile }) =>
      saltOf(readFileSync(keyFile, 'utf8')),
    );
    rmSync(elsewhere, { recursive: true });
    expect(salt).toHaveLength(16);
    expect(same).toEqual(salt);
    expect(other).not.toEqual(salt);
  });

  it('puts a further issuer under the root that is there', async () => {
    const first = await createHierarchy(options());
    const second = await createHierarchy(options({ name: 'second', keyType: 'ed25519' }));
    expect(second.chainDer[1]).toEqual(first.chainDer[1]);
    expect(second.signatureAlgorithm).toBe('ed25519');
    const names = (await loadIssuers(folder)).map(({ name }) => name);
    expect(names).toEqual(['factory', 'second']);
  });

  it.each([
    ['ml-dsa-65', 'ec-p384'],
    ['ec-p256', 'ml-dsa-87'],
    ['ml-dsa-44', 'ml-dsa-44'],
  ] as const)('makes an issuer of %s under a root of %s', async (keyType, rootKeyType) => {
    const issuer = await createHierarchy(options({ keyType, rootKeyType }));
    const root = await loadRoot(folder);
    expect([issuer.keyType, root?.keyType]).toEqual([keyType, rootKeyType]);
    const [issuing, top] = issuer.chainDer.map((der) => new X509Certificate(der));
    expect([issuing!.verify(top!.publicKey), top!.verify(top!.publicKey)]).toEqual([true, true]);
    const another = await createHierarchy(options({ name: 'another', keyType }));
    expect(new X509Certificate(another.chainDer[0]!).verify(top!.publicKey)).toBe(true);
  });

  it('refuses a root of another type than the one that is there', async () => {
    await createHierarchy(options({ rootKeyType: 'ec-p256' }));
    const second = createHierarchy(options({ name: 'second', rootKeyType: 'ml-dsa-44' }));
    await expect(second).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(second).rejects.toThrow('a root already, with a key of type ec-p256');
    expect((await loadIssuers(folder)).map(({ name }) => name)).toEqual(['factory']);
  });

  it('refuses to write over an issuer, and the name of the root', async () => {
    await createHierarchy(options());
    await expect(createHierarchy(options())).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(createHierarchy(options({ name: 'root' }))).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
    await expect(createHierarchy(options({ name: '../up' }))).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
  });

  it('says that the passphrase of the root is wrong without repeating it', async () => {
    await createHierarchy(options());
    const wrong = createHierarchy(options({ name: 'second', passphrase: 'wrong-battery-staple' }));
    await expect(wrong).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await expect(wrong).rejects.not.toThrow('wrong-battery-staple');
    await expect(wrong).rejects.toThrow('passphrase is wrong');
  });

  it('of two at once makes one issuer', async () => {
    await createHierarchy(options());
    const both = await Promise.allSettled([
      createHierarchy(options({ name: 'second' })),
      createHierarchy(options({ name: 'second' })),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(readdirSync(join(folder, 'ca')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});

describe('loadIssuers', () => {
  it('finds none in an empty folder, and says so of one by name', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'certmill-hierarchy-'));
    expect(await loadIssuers(folder)).toEqual([]);
    expect(await loadRoot(folder)).toBeUndefined();
    await expect(loadIssuer(folder, 'factory')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    rmSync(folder, { recursive: true });
  });

  it('says which file of an issuer is damaged', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'certmill-hierarchy-'));
    const issuer = await createHierarchy({ name: 'factory', directory: folder, passphrase, nowMs });
    const pem = readFileSync(issuer.chainFile, 'utf8');
    writeFileSync(issuer.chainFile, pem.replace(/^MII/m, 'MIE'));
    await expect(loadIssuers(folder)).rejects.toMatchObject({ code: 'FAULT_STORE_CORRUPT' });
    await expect(loadIssuers(folder)).rejects.toThrow('chain.pem');
    rmSync(folder, { recursive: true });
  });

  it('refuses a chain that is none, and tells its defect to those who look on', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'certmill-hierarchy-'));
    const other = mkdtempSync(join(tmpdir(), 'certmill-hierarchy-'));
    const [issuer, foreign] = await Promise.all(
      [folder, other].map((directory) =>
        createHierarchy({ name: 'factory', directory, passphrase, nowMs }),
      ),
    );
    const [own, root] = pemsIn(issuer?.chainFile);
    const [, foreignRoot] = pemsIn(foreign?.chainFile);
    for (const [chain, reason] of [
      [[own, foreignRoot], /the signature of certificate 1 .* does not verify/],
      [[own, own], /certificate 1 .* was issued by another CA than certificate 2/],
      [[own], /no self-signed root/],
    ] as const) {
      writeFileSync(issuer?.chainFile ?? '', chain.join(''));
      await expect(loadIssuers(folder)).rejects.toMatchObject({
        code: 'FAULT_STORE_CORRUPT',
        message: expect.stringMatching(reason) as string,
      });
      const [found] = await findIssuers(folder);
      expect(found && chainDefectOf(found)).toMatch(reason);
    }
    writeFileSync(issuer?.chainFile ?? '', [own, root].join(''));
    const [sound] = await loadIssuers(folder);
    expect(sound && chainDefectOf(sound)).toBeUndefined();
    rmSync(folder, { recursive: true });
    rmSync(other, { recursive: true });
  });
});

function pemsIn(file = ''): string[] {
  return readFileSync(file, 'utf8').split(/(?<=-----END CERTIFICATE-----\n)/);
}
