import { generateKeyPairSync, type KeyObject, webcrypto } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decryptPrivateKey } from '../keys/encrypted-private-key.js';
import { x509 } from '../x509-library.js';
import { importIssuer, type ImportOptions } from './import-issuer.js';
import { loadIssuers } from './load-issuers.js';
import { replaceCertificate } from './replace-certificate.js';

const nowMs = Date.now();
const dayMs = 86_400_000;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const keyPassphrase = 'of the file';

interface Ca {
  readonly certificate: x509.X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

interface CaRecipe {
  readonly name: string;
  readonly issuer?: Ca;
  readonly keys?: webcrypto.CryptoKeyPair;
  readonly isCa?: boolean;
  readonly pathLength?: number;
  readonly usages?: x509.KeyUsageFlags;
  readonly withoutKeyUsage?: boolean;
  readonly withoutKeyIdentifier?: boolean;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  readonly extensions?: readonly x509.Extension[];
  readonly hash?: 'SHA-1';
}

const signsBoth = (x509.KeyUsageFlags.keyCertSign |
  x509.KeyUsageFlags.cRLSign) as x509.KeyUsageFlags;

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

async function aCa(recipe: CaRecipe): Promise<Ca> {
  const keys = recipe.keys ?? (await generateKeys());
  const usages = recipe.usages ?? signsBoth;
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${recipe.name}`,
    issuer: recipe.issuer?.certificate.subject ?? `CN=${recipe.name}`,
    notBefore: new Date(recipe.notBeforeMs ?? nowMs - dayMs),
    notAfter: new Date(recipe.notAfterMs ?? nowMs + 1_000 * dayMs),
    publicKey: keys.publicKey,
    signingKey: (recipe.issuer?.keys ?? keys).privateKey,
    signingAlgorithm: { ...algorithm, hash: recipe.hash ?? algorithm.hash },
    extensions: [
      new x509.BasicConstraintsExtension(recipe.isCa ?? true, recipe.pathLength, true),
      ...(recipe.withoutKeyUsage === true ? [] : [new x509.KeyUsagesExtension(usages, true)]),
      ...(recipe.withoutKeyIdentifier === true
        ? []
        : [await x509.SubjectKeyIdentifierExtension.create(keys.publicKey)]),
      ...(recipe.extensions ?? []),
    ],
  });
  return { certificate, keys };
}

function critical(oid: string, valueHex = '0500'): x509.Extension {
  return new x509.Extension(oid, true, Buffer.from(valueHex, 'hex'));
}

function chainOf(...cas: readonly Ca[]): string {
  return cas.map(({ certificate }) => certificate.toString('pem')).join('\n');
}

async function encryptedKeyOf(ca: Ca): Promise<string> {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', ca.keys.privateKey);
  const pem = `-----BEGIN PRIVATE KEY-----\n${Buffer.from(pkcs8).toString('base64')}\n-----END PRIVATE KEY-----\n`;
  const { createPrivateKey } = await import('node:crypto');
  return exported(createPrivateKey(pem));
}

function exported(key: KeyObject): string {
  return key
    .export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: keyPassphrase })
    .toString();
}

describe('importIssuer', () => {
  let folder: string;
  let root: Ca;
  let issuing: Ca;

  beforeAll(async () => {
    root = await aCa({ name: 'Root' });
    issuing = await aCa({ name: 'Issuing', issuer: root, pathLength: 0 });
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'certmill-import-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  async function importing(overrides: Partial<ImportOptions> = {}) {
    return importIssuer({
      name: 'imported',
      directory: folder,
      keyPem: await encryptedKeyOf(issuing),
      keyPassphrase,
      chainPem: chainOf(issuing, root),
      passphrase: 'of the data folder',
      nowMs,
      ...overrides,
    });
  }

  async function refused(overrides: Partial<ImportOptions>, message: string): Promise<void> {
    await expect(importing(overrides)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
    await expect(importing(overrides)).rejects.toThrow(message);
    expect(existsSync(join(folder, 'ca'))).toBe(false);
  }

  it('takes a key with its chain, encrypted with the passphrase of the data folder', async () => {
    const issuer = await importing();
    expect([issuer.name, issuer.keyType, issuer.chainDer.length]).toEqual([
      'imported',
      'ec-p256',
      2,
    ]);
    const pem = readFileSync(issuer.keyFile, 'utf8');
    expect(decryptPrivateKey(pem, 'of the data folder', 'the key').type).toBe('private');
    await expect(importing()).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('takes a longer chain with text around the certificates', async () => {
    const middle = await aCa({ name: 'Middle', issuer: root, pathLength: 1 });
    const low = await aCa({ name: 'Low', issuer: middle });
    const chainPem = `subject=Low\n${chainOf(low, middle)}\nthe root:\n${chainOf(root)}\n`;
    const issuer = await importing({ chainPem, keyPem: await encryptedKeyOf(low) });
    expect(issuer.chainDer).toHaveLength(3);
  });

  it('refuses the key of another certificate', async () => {
    const keyPem = await encryptedKeyOf(root);
    await expect(importing({ keyPem })).rejects.toMatchObject({ code: 'FAULT_KEY_MISMATCH' });
    expect(existsSync(join(folder, 'ca'))).toBe(false);
  });

  it('refuses a wrong passphrase without repeating it', async () => {
    await refused({ keyPassphrase: 'hunter2hunter2' }, 'passphrase is wrong');
    await expect(importing({ keyPassphrase: 'hunter2hunter2' })).rejects.not.toThrow('hunter2');
  });

  it('refuses a key that is not encrypted', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const keyPem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    await refused({ keyPem }, 'is not encrypted');
  });

  it('refuses a chain in the wrong order', async () => {
    await refused({ chainPem: chainOf(root, issuing) }, 'put the chain in order');
  });

  it('refuses a chain without its root', async () => {
    await refused({ chainPem: chainOf(issuing) }, 'no self-signed root');
  });

  it('refuses a chain whose signature is of another key with the same name', async () => {
    const impostor = await aCa({ name: 'Root' });
    await refused({ chainPem: chainOf(issuing, impostor) }, 'does not verify');
  });

  it('refuses no certificate, and one that is cut', async () => {
    await refused({ chainPem: 'nothing here' }, 'holds no PEM certificate');
    const cut = chainOf(issuing).replace(/\n[^\n]+\n-----END/, '\n-----END');
    await refused({ chainPem: cut + chainOf(root) }, 'certificate 1 of the chain');
    const chainPem = `${chainOf(issuing).slice(0, -20)}\n${chainOf(root)}`;
    await refused({ chainPem }, 'the CERTIFICATE that begins in line 1 has no end');
  });

  it.each<[string, Omit<CaRecipe, 'name'>, string]>([
    ['is no CA', { isCa: false }, 'no CA certificate'],
    ['may not sign certificates', { usages: x509.KeyUsageFlags.digitalSignature }, 'keyCertSign'],
    ['may not sign CRLs', { usages: x509.KeyUsageFlags.keyCertSign }, 'ask the CA above it for'],
    ['has no keyUsage', { withoutKeyUsage: true }, 'keyUsage'],
    ['says what nobody understands', { extensions: [critical('1.3.6.1.4.1.99999.1')] }, 'critical'],
    ['asks for a policy', { extensions: [critical('2.5.29.36', '3003800100')] }, '2.5.29.36'],
    ['is signed with a weak hash', { hash: 'SHA-1' }, 'made with SHA-1'],
    ['has no key identifier', { withoutKeyIdentifier: true }, 'subjectKeyIdentifier'],
    ['expired', { notAfterMs: nowMs - 1_000 }, 'expired at'],
    ['is not valid yet', { notBeforeMs: nowMs + dayMs }, 'not valid before'],
  ])('refuses an issuing certificate that %s', async (_, recipe, message) => {
    const ca = await aCa({ name: 'Bad', issuer: root, keys: issuing.keys, ...recipe });
    await refused({ chainPem: chainOf(ca, root) }, message);
  });

  it('refuses the same of a CA above, but for the CRLs, which it may leave to others', async () => {
    const usages = x509.KeyUsageFlags.keyCertSign;
    const [unknown, odd] = [critical('1.3.6.1.4.1.99999.1'), { name: 'Odd', issuer: root }];
    const middle = await aCa({ ...odd, extensions: [unknown] });
    const below = await aCa({ name: 'Below', issuer: middle, keys: issuing.keys });
    await refused(
      { chainPem: chainOf(below, middle, root) },
      'certificate 2 of the chain (CN=Odd)',
    );
    const other = await aCa({ ...odd, usages, keys: middle.keys });
    const taken = await importing({ chainPem: chainOf(below, other, root) });
    expect(taken.chainDer).toHaveLength(3);
  });

  it('refuses a root in the place of an issuing CA', async () => {
    const own = { chainPem: chainOf(root), keyPem: await encryptedKeyOf(root) };
    await refused(own, 'is a root');
    await refused({ ...own, chainPem: chainOf(root, root) }, 'is a root');
  });

  it('takes an issuing CA below one that limits policies, which RFC 5280 has critical', async () => {
    const extensions = [critical('2.5.29.54', '020100'), critical('2.5.29.36', '3003810100')];
    const middle = await aCa({ name: 'Policies', issuer: root, extensions });
    const below = await aCa({ name: 'Below', issuer: middle, keys: issuing.keys });
    const taken = await importing({ chainPem: chainOf(below, middle, root) });
    expect(taken.chainDer).toHaveLength(3);
  });

  it('works on with a chain that it would not take in now, and with none that does not hold', async () => {
    const usages = x509.KeyUsageFlags.keyCertSign;
    const keys = issuing.keys;
    const issuer = await importing();
    const put = (chain: string): void => {
      rmSync(join(issuer.directory, 'chain.sha256'), { force: true });
      writeFileSync(issuer.chainFile, chain);
    };
    const old = await aCa({ name: 'Old', issuer: root, keys, usages, notAfterMs: nowMs - 1_000 });
    put(chainOf(old, root));
    expect(await loadIssuers(folder)).toMatchObject([{ name: 'imported', subject: 'CN=Old' }]);
    const unknown = { issuer: root, extensions: [critical('1.3.6.1.4.1.99999.1')] };
    const middle = await aCa({ name: 'Odd', ...unknown, hash: 'SHA-1' });
    const below = await aCa({ name: 'Below', issuer: middle, keys });
    put(chainOf(below, middle, root));
    const [odd] = await loadIssuers(folder);
    expect(odd).toMatchObject({ name: 'imported', subject: 'CN=Below' });
    if (odd === undefined) return;
    const renewed = await aCa({ name: 'Below', issuer: middle, keys });
    const [, ...above] = odd.chainDer;
    const renewedDer = new Uint8Array(renewed.certificate.rawData);
    await replaceCertificate(folder, odd, [renewedDer, ...above]);
    expect((await loadIssuers(folder))[0]?.chainDer[0]).toEqual(Buffer.from(renewedDer));
    const low = await aCa({ name: 'Low', issuer: issuing, keys });
    put(chainOf(low, issuing, root));
    await expect(loadIssuers(folder)).rejects.toMatchObject({
      code: 'FAULT_STORE_CORRUPT',
      message: expect.stringContaining('pathLenConstraint') as string,
    });
  });

  it('refuses a chain that is longer than a path length allows', async () => {
    const top = await aCa({ name: 'Top', pathLength: 0 });
    const middle = await aCa({ name: 'Middle', issuer: top, keys: issuing.keys });
    const low = await aCa({ name: 'Low', issuer: middle, keys: issuing.keys });
    await refused({ chainPem: chainOf(low, middle, top) }, 'pathLenConstraint');
    // It has itself no CA between, and whatever it signs would.
    const under = await aCa({ name: 'Under', issuer: issuing, keys: issuing.keys });
    await refused({ chainPem: chainOf(under, issuing, root) }, 'pathLenConstraint');
  });

  it.each([
    ['P-384', () => generateKeyPairSync('ec', { namedCurve: 'P-384' }), 'ECDSA', 'ec-p384'],
    ['P-521', () => generateKeyPairSync('ec', { namedCurve: 'P-521' }), 'ECDSA', 'ec-p521'],
    ['Ed25519', () => generateKeyPairSync('ed25519'), 'Ed25519', 'ed25519'],
    ['ML-DSA-65', () => generateKeyPairSync('ml-dsa-65'), 'ML-DSA-65', 'ml-dsa-65'],
    [
      'RSA',
      () => generateKeyPairSync('rsa', { modulusLength: 2_048 }),
      'RSASSA-PKCS1-v1_5',
      'rsa-2048',
    ],
  ] as const)('takes a key of type %s', async (curve, generate, name, keyType) => {
    const { privateKey, publicKey } = generate();
    const spki = publicKey.export({ format: 'der', type: 'spki' });
    const parameters = { name, namedCurve: curve, hash: 'SHA-256' };
    const key = await webcrypto.subtle.importKey('spki', spki, parameters, true, ['verify']);
    const keys = { publicKey: key, privateKey: root.keys.privateKey };
    const ca = await aCa({ name: 'Other', issuer: root, keys });
    const issuer = await importing({
      chainPem: chainOf(ca, root),
      keyPem: exported(privateKey),
    });
    expect(issuer.keyType).toBe(keyType);
  });
});
