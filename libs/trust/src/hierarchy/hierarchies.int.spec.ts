import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pemEncode } from '@certmill/der';
import type { IssuerKeyType } from '../keys/key-types.js';
import { distinguishedNameDer, parseDistinguishedName } from './distinguished-name.js';
import { type AuthorityWish, createRoot, issueAuthority } from './issue-authority.js';
import { issueCaCrl } from './issue-ca-crl.js';
import {
  type Issuer,
  loadAuthorities,
  loadIssuer,
  loadIssuers,
  refusalOf,
} from './load-issuers.js';
import { authorityIn, type AuthorityPlace, openAuthority } from './open-authority.js';
import { pemOfCertificates, readCaCertificate } from './ca-certificate.js';
import { changedExtensions } from './changed-extensions.js';
import { checkChain } from './check-chain.js';
import { closeIssuer } from './close-issuer.js';
import { crossCertify } from './cross-certify.js';
import { importIssuer } from './import-issuer.js';
import { rekeyRoot, type RootRekeyOptions } from './rekey-root.js';
import { rekeyAuthority, type RekeyOptions, renewAuthority } from './renew-authority.js';
import {
  completeAuthority,
  requestAuthority,
  requestRekey,
  requestRenewal,
  signAuthorityRequest,
} from './request-authority.js';
import { revokeAuthority } from './revoke-authority.js';

const passphrase = 'only for this test';
const nowMs = Date.now();
const years = (count: number): number => count * 365 * 86_400;

/** Needs openssl on the PATH: the verifier that most relying parties have. */
describe('hierarchies', () => {
  let folder: string;
  let data: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'certmill-hierarchies-'));
    data = join(folder, 'data');
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const openssl = (...args: string[]): string =>
    execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] }).toString();
  const place = (name: string, directory = data): AuthorityPlace => ({
    directory,
    name,
    passphrase,
  });
  const wish = (name: string, overrides: Partial<AuthorityWish> = {}): AuthorityWish => ({
    name,
    directory: data,
    passphrase,
    subjectDer: distinguishedNameDer(parseDistinguishedName(`O=Example,CN=${name}`)),
    keyType: 'ec-p256',
    pathLenConstraint: 0,
    ...overrides,
  });
  const aRoot = (directory = data, overrides: Partial<AuthorityWish> = {}): Promise<Issuer> => {
    const { passphrase: secret, subjectDer, keyType } = wish('root');
    const root = { directory, passphrase: secret, subjectDer, keyType };
    return createRoot({ ...root, ...overrides }, nowMs);
  };
  const pem = (file: string, ...ders: readonly (Uint8Array | undefined)[]): string => {
    const path = join(folder, file);
    const text = ders.map((der) => pemEncode('CERTIFICATE', der ?? new Uint8Array())).join('');
    writeFileSync(path, text);
    return path;
  };
  /** A certificate that openssl makes with the CA's key, and the verdict of openssl on its chain. */
  const verifies = (ca: Issuer, chainDer = ca.chainDer): void => {
    const key = join(folder, 'device.key');
    const csr = join(folder, 'device.csr');
    const certificate = join(folder, 'device.pem');
    const extensions = join(folder, 'device.cnf');
    openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', key);
    openssl('req', '-new', '-key', key, '-subj', '/CN=device', '-out', csr);
    writeFileSync(
      extensions,
      'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nkeyUsage=critical,digitalSignature\n',
    );
    openssl(
      ...['x509', '-req', '-in', csr, '-CA', ca.certificateFile, '-CAkey', ca.keyFile],
      ...['-passin', `pass:${passphrase}`, '-days', '30', '-extfile', extensions],
      ...['-out', certificate],
    );
    const root = pem('anchor.pem', chainDer.at(-1));
    const between = pem('between.pem', ...chainDer.slice(0, -1));
    expect(
      openssl('verify', '-x509_strict', '-CAfile', root, '-untrusted', between, certificate),
    ).toContain('OK');
  };

  it('of a request that names nobody, or the root, are not made', async () => {
    await aRoot();
    for (const [subject, reason] of [
      ['/', 'an empty subject'],
      ['/O=Example/CN=root', 'has the subject of a CA above it'],
    ] as const) {
      openssl(
        ...['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
        ...['-keyout', join(folder, 'ca.key'), '-subj', subject, '-out', join(folder, 'ca.csr')],
      );
      const requestPem = readFileSync(join(folder, 'ca.csr'), 'utf8');
      const signing = signAuthorityRequest({ requestPem, parent: place('root'), nowMs });
      await expect(signing).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringContaining(reason) as string,
      });
    }
    expect(existsSync(join(data, 'ca/root/issued'))).toBe(false);
  });

  it.each<IssuerKeyType>(['ec-p384', 'rsa-3072', 'ed25519'])(
    'of three tiers with %s keys verify, with several issuing CAs side by side',
    async (keyType) => {
      await aRoot(data, { keyType, pathLenConstraint: 2 });
      await issueAuthority(wish('oem', { keyType, pathLenConstraint: 1 }), place('root'), nowMs);
      for (const name of ['manufacturing', 'firmware']) {
        const issuer = await issueAuthority(wish(name, { keyType }), place('oem'), nowMs);
        expect(issuer.chainDer).toHaveLength(3);
        verifies(issuer);
      }
      const names = (list: readonly Issuer[]) => list.map(({ name, role }) => `${name}: ${role}`);
      expect(names(await loadIssuers(data))).toEqual([
        'firmware: issuing',
        'manufacturing: issuing',
      ]);
      expect(names(await loadAuthorities(data))).toEqual([
        'root: root',
        'firmware: issuing',
        'manufacturing: issuing',
        'oem: intermediate',
      ]);
    },
  );

  it('have no root that no CA could stand below', async () => {
    await expect(aRoot(data, { pathLenConstraint: 0 })).rejects.toThrow('a root signs CAs');
    expect(existsSync(join(data, 'ca'))).toBe(false);
  });

  it('refuses a tier that the path length does not allow, and leaves nothing behind', async () => {
    await aRoot(data, { pathLenConstraint: 1 });
    await issueAuthority(wish('issuing'), place('root'), nowMs);
    await expect(issueAuthority(wish('below'), place('issuing'), nowMs)).rejects.toThrow(
      'allows none',
    );
    const deeper = issueAuthority(wish('oem', { pathLenConstraint: 1 }), place('root'), nowMs);
    await expect(deeper).rejects.toThrow('pathLenConstraint below what those above leave, 1');
    expect(readdirSync(join(data, 'ca')).filter((name) => !name.startsWith('.'))).toEqual([
      'issuing',
      'root',
    ]);
  });

  it('under an offline root are made by carrying a request there and a chain back', async () => {
    const offline = join(folder, 'offline');
    await aRoot(offline);
    const { requestPem, file } = await requestAuthority(
      wish('factory', {
        nameConstraints: { permitted: [{ kind: 'dNSName', value: 'example.com' }], excluded: [] },
      }),
    );
    expect(openssl('req', '-in', file, '-noout', '-verify', '-text')).toMatch(
      /CA:TRUE, pathlen:0[^]*DNS:example\.com/,
    );
    await expect(requestAuthority(wish('factory'))).rejects.toMatchObject({ code: 'CONFLICT' });
    const { chainDer } = await signAuthorityRequest({
      requestPem,
      parent: place('root', offline),
      lifetimeSeconds: years(10),
      nowMs,
    });
    const chainPem = chainDer.map((der) => pemEncode('CERTIFICATE', der)).join('');
    const complete = () => completeAuthority({ ...place('factory'), chainPem, nowMs });
    const issuer = await complete();
    expect([issuer.role, issuer.hasKey, issuer.nameConstraints?.length]).toEqual([
      'issuing',
      true,
      1,
    ]);
    expect(existsSync(join(data, 'ca', 'root'))).toBe(false);
    expect(readdirSync(join(data, 'ca-requests'))).toEqual([]);
    verifies(issuer);
    // A second time, as after a kill before it said so.
    await expect(complete()).resolves.toMatchObject({ name: 'factory' });

    const renewal = await requestRenewal(place('factory'));
    const again = await signAuthorityRequest({
      requestPem: renewal,
      parent: place('root', offline),
      lifetimeSeconds: years(20),
      nowMs,
    });
    const renewed = await completeAuthority({
      ...place('factory'),
      chainPem: again.chainDer.map((der) => pemEncode('CERTIFICATE', der)).join(''),
      nowMs,
    });
    expect(renewed.notAfterMs).toBeGreaterThan(issuer.notAfterMs);
    expect(renewed.spkiDer).toEqual(issuer.spkiDer);
    verifies(renewed);
  });

  it('under a root of openssl take in its certificate, and no other', async () => {
    const { requestPem } = await requestAuthority(
      wish('factory', {
        keyType: 'ec-p384',
        nameConstraints: { permitted: [{ kind: 'dNSName', value: 'example.com' }], excluded: [] },
      }),
    );
    const file = writtenTo('factory.csr', requestPem);
    const other = await requestAuthority(wish('other'));
    const rootKey = join(folder, 'root.key');
    const rootFile = join(folder, 'root.pem');
    openssl(
      ...['req', '-x509', '-newkey', 'rsa:3072', '-nodes', '-keyout', rootKey, '-out', rootFile],
      ...['-subj', '/O=Somebody/CN=Their root', '-days', '3650'],
      ...['-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
    );
    const chainPemOf = (request: string, ...extensions: readonly string[]): string => {
      const certificate = join(folder, 'theirs.pem');
      openssl(
        ...['x509', '-req', '-in', request, '-CA', rootFile, '-CAkey', rootKey, '-days', '365'],
        ...(extensions.length === 0 ? ['-copy_extensions', 'copyall'] : []),
        ...['-out', certificate, '-extfile'],
        writtenTo('theirs.cnf', ['subjectKeyIdentifier=hash', ...extensions].join('\n')),
      );
      return readFileSync(certificate, 'utf8') + readFileSync(rootFile, 'utf8');
    };
    const complete = (chainPem: string, mayNarrowConstraints = false) =>
      completeAuthority({ ...place('factory'), chainPem, nowMs: Date.now(), mayNarrowConstraints });
    await expect(complete(chainPemOf(other.file))).rejects.toMatchObject({
      code: 'FAULT_KEY_MISMATCH',
    });
    await expect(complete(readFileSync(rootFile, 'utf8'))).rejects.toThrow('is a root');
    const ca = 'basicConstraints=critical,CA:TRUE,pathlen:0';
    const usage = 'keyUsage=critical,keyCertSign';
    await expect(complete(chainPemOf(file, ca, usage))).rejects.toThrow(
      /cRLSign.*ask the CA above/,
    );
    const unknown = '1.3.6.1.4.1.99999.1=critical,DER:0500';
    const all = [ca, `${usage},cRLSign`];
    await expect(complete(chainPemOf(file, ...all, unknown))).rejects.toThrow(
      '1.3.6.1.4.1.99999.1',
    );
    const chainPem = chainPemOf(file);
    const [own = ''] = chainPem.split(/(?<=-----END CERTIFICATE-----\n)/);
    await expect(complete(own)).rejects.toThrow('no self-signed root');
    const issuer = await complete(chainPem);
    verifies(issuer);
    // Another certificate is as the CA above decides; what it takes away is meant, and what it changed can be told.
    const narrower = chainPemOf(file, ...all, 'extendedKeyUsage=clientAuth');
    await expect(complete(narrower)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining(
        'it takes away extKeyUsage: all but id-kp-clientAuth (--narrower-constraints)',
      ) as string,
    });
    const again = await complete(narrower, true);
    expect(changedExtensions(issuer.chainDer[0]!, again.chainDer[0]!)).toEqual([
      { name: 'nameConstraints', change: 'gone' },
      { name: 'extKeyUsage', change: 'new' },
    ]);
  });

  const writtenTo = (name: string, text: string): string => {
    const file = join(folder, name);
    writeFileSync(file, text);
    return file;
  };

  it('sign a plain request of openssl as an issuing CA, and refuse what is none', async () => {
    await aRoot();
    const csr = join(folder, 'plain.csr');
    openssl(
      ...['req', '-new', '-newkey', 'ed25519', '-nodes', '-keyout', join(folder, 'plain.key')],
      ...['-subj', '/CN=Plain', '-out', csr],
    );
    const sign = (requestPem: string) =>
      signAuthorityRequest({ requestPem, parent: place('root'), nowMs });
    const requestPem = readFileSync(csr, 'utf8');
    const { certificate } = await sign(requestPem);
    expect([certificate.isCa, certificate.pathLenConstraint]).toEqual([true, 0]);
    const der = Buffer.from(requestPem.replace(/-----[^-]+-----/g, ''), 'base64');
    der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
    await expect(sign(pemEncode('CERTIFICATE REQUEST', der))).rejects.toThrow(
      'does not prove possession',
    );
    await expect(sign('nothing')).rejects.toThrow('holds no PEM CERTIFICATE REQUEST');
    openssl(
      ...['req', '-new', '-newkey', 'ed25519', '-nodes', '-keyout', join(folder, 'plain.key')],
      ...['-subj', '/CN=Device', '-addext', 'basicConstraints=CA:FALSE', '-out', csr],
    );
    await expect(sign(readFileSync(csr, 'utf8'))).rejects.toThrow('no CA');
  });

  it('renewed CAs keep name, key and extensions, and every chain through them is renewed', async () => {
    await aRoot(data, { lifetimeSeconds: years(30) });
    await issueAuthority(
      wish('oem', {
        pathLenConstraint: 1,
        lifetimeSeconds: years(5),
        extKeyUsage: ['1.3.6.1.5.5.7.3.2'],
        policies: ['1.2.3'],
      }),
      place('root'),
      nowMs,
    );
    const before = await issueAuthority(wish('factory'), place('oem'), nowMs);
    const oem = await renewAuthority({
      directory: data,
      name: 'oem',
      parent: place('root'),
      lifetimeSeconds: years(20),
      nowMs,
    });
    const factory = await loadIssuer(data, 'factory');
    expect(factory.chainDer[0]).toEqual(before.chainDer[0]);
    expect(factory.chainDer[1]).toEqual(oem.chainDer[0]);
    expect(factory.chainDer[1]).not.toEqual(before.chainDer[1]);
    expect(oem.spkiDer).toEqual((await authorityIn(data, 'oem')).spkiDer);
    expect(oem.notAfterMs).toBeGreaterThan(nowMs + years(19) * 1_000);
    const text = openssl('x509', '-in', oem.certificateFile, '-noout', '-text');
    expect(text).toMatch(/pathlen:1[^]*Policy: 1\.2\.3[^]*Client Authentication/);
    verifies(factory);
    const root = await renewAuthority({
      directory: data,
      name: 'root',
      parent: place('root'),
      lifetimeSeconds: years(40),
      nowMs,
    });
    expect((await loadIssuer(data, 'factory')).chainDer.at(-1)).toEqual(root.chainDer[0]);
    verifies(await loadIssuer(data, 'factory'));
    // The old certificate of the root still verifies all: same name, same key.
    verifies(await loadIssuer(data, 'factory'), [
      ...(await loadIssuer(data, 'factory')).chainDer.slice(0, 2),
      before.chainDer[2] ?? new Uint8Array(),
    ]);
  });

  it('renewed or rekeyed live as long as they were made for, at most as the CA above', async () => {
    await aRoot(data, { lifetimeSeconds: years(30) });
    const made = await issueAuthority(
      wish('factory', { lifetimeSeconds: years(10) }),
      place('root'),
      nowMs,
    );
    const atYear = async (
      year: number,
      make: (options: RekeyOptions) => Promise<Issuer> = renewAuthority,
    ): Promise<number> => {
      const options = { directory: data, name: 'factory', parent: place('root'), passphrase };
      const { notAfterMs } = await make({
        ...options,
        ...{ successor: 'factory-2', nowMs: nowMs + years(year) * 1_000 },
      });
      return (notAfterMs - made.notAfterMs) / years(1) / 1_000;
    };
    expect(await atYear(9)).toBe(9);
    // From the first notBefore on, the certificate in force is of 19 years: 10 is what it was made for.
    expect(await atYear(18)).toBe(18);
    const root = await authorityIn(data, 'root');
    expect(await atYear(25)).toBe((root.notAfterMs - made.notAfterMs) / years(1) / 1_000);
    expect(await atYear(12, rekeyAuthority)).toBe(12);
  });

  it('rekeyed CAs have the same subject and another key; the one before is retired', async () => {
    await aRoot();
    const before = await issueAuthority(wish('factory'), place('root'), nowMs);
    const after = await rekeyAuthority({
      directory: data,
      name: 'factory',
      successor: 'factory-2',
      keyType: 'ec-p384',
      passphrase,
      parent: place('root'),
      nowMs,
    });
    expect(after.subjectDer).toEqual(before.subjectDer);
    expect(after.keyType).toBe('ec-p384');
    expect((await loadIssuer(data, 'factory')).retirement?.successor).toBe('factory-2');
    verifies(after);
    verifies(before);
    const again = rekeyAuthority({
      directory: data,
      name: 'root',
      successor: 'root-2',
      passphrase,
      parent: place('root'),
      nowMs,
    });
    await expect(again).rejects.toThrow('a root gets a new key in a folder of its own');
  });

  it('that have a new key already get no second one, and what was killed is gone on with', async () => {
    const root = await aRoot();
    const factory = await issueAuthority(wish('factory'), place('root'), nowMs);
    const rekeyed = (successor: string) =>
      rekeyAuthority({
        ...{ directory: data, name: 'factory', successor, passphrase, nowMs },
        parent: place('root'),
      });
    const asked = (name: string) => requestRekey({ ...place(name), rekeys: 'factory' });
    const early = await asked('early');
    const { chainDer } = await signAuthorityRequest({
      ...{ requestPem: early.requestPem, parent: place('root'), nowMs },
    });
    await rekeyed('factory-2');
    const issuedBefore = readdirSync(join(root.directory, 'issued'));
    const refusal = {
      code: 'CONFLICT',
      message: expect.stringMatching(
        /'factory' .*'factory-2'.*: certmill ca rekey factory-2/,
      ) as string,
    };
    const chainPem = chainDer.map((der) => pemEncode('CERTIFICATE', der)).join('');
    const refused = async () => {
      await expect(rekeyed('factory-3')).rejects.toMatchObject(refusal);
      await expect(asked('factory-3')).rejects.toMatchObject(refusal);
      await expect(completeAuthority({ ...place('early'), chainPem, nowMs })).rejects.toMatchObject(
        refusal,
      );
    };
    await refused();
    // Killed before the one before was retired: it is once the same is typed again.
    rmSync(join(factory.directory, 'retired.json'));
    await refused();
    expect((await loadIssuer(data, 'factory')).retirement).toBeUndefined();
    await rekeyed('factory-2');
    expect((await loadIssuer(data, 'factory')).retirement?.successor).toBe('factory-2');
    await expect(rekeyed('factory-2')).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(readdirSync(join(root.directory, 'issued'))).toEqual(issuedBefore);
    expect((await loadAuthorities(data)).map(({ name }) => name)).toEqual([
      ...['root', 'factory', 'factory-2'],
    ]);
  });

  it('that were given up get no new key, and stay given up', async () => {
    await aRoot();
    await issueAuthority(wish('factory'), place('root'), nowMs);
    await closeIssuer({ directory: data, name: 'factory', nowMs });
    const again = rekeyAuthority({
      ...{ directory: data, name: 'factory', successor: 'factory-2', passphrase, nowMs },
      parent: place('root'),
    });
    await expect(again).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('is given up') as string,
    });
    expect((await loadIssuer(data, 'factory')).retirement?.isClosed).toBe(true);
  });

  it('of the subject of another one in the folder are refused before a key or a signature is made', async () => {
    const root = await aRoot();
    await issueAuthority(wish('factory'), place('root'), nowMs);
    const subjectDer = distinguishedNameDer(parseDistinguishedName('O=EXAMPLE,CN=Factory'));
    const issuedBefore = readdirSync(join(root.directory, 'issued'));
    const refusal = {
      code: 'CONFLICT',
      message: expect.stringMatching(
        /CA 'factory' has the subject .*CN=factory and another key: .*certmill ca rekey factory/,
      ) as string,
    };
    const second = wish('second', { subjectDer });
    await expect(issueAuthority(second, place('root'), nowMs)).rejects.toMatchObject(refusal);
    await expect(requestAuthority(second)).rejects.toMatchObject(refusal);
    expect(existsSync(join(data, 'ca-requests'))).toBe(false);
    expect(readdirSync(join(root.directory, 'issued'))).toEqual(issuedBefore);
    // Elsewhere it is made, and not taken in here.
    const other = join(folder, 'other');
    await aRoot(other, { subjectDer: wish('elsewhere').subjectDer });
    const elsewhere = await issueAuthority(
      wish('second', { directory: other, subjectDer }),
      place('root', other),
      nowMs,
    );
    const taken = importIssuer({
      ...place('second'),
      keyPem: readFileSync(elsewhere.keyFile, 'utf8'),
      keyPassphrase: passphrase,
      chainPem: readFileSync(elsewhere.chainFile, 'utf8'),
      nowMs: Date.now(),
    });
    await expect(taken).rejects.toMatchObject(refusal);
    // Two requests of one subject: whose certificate comes first, has it.
    const late = wish('late', { subjectDer: wish('twice').subjectDer });
    const requests = [await requestAuthority(wish('twice')), await requestAuthority(late)];
    const completed = requests.map(async ({ requestPem }, index) => {
      const { chainDer } = await signAuthorityRequest({ requestPem, parent: place('root'), nowMs });
      const chainPem = chainDer.map((der) => pemEncode('CERTIFICATE', der)).join('');
      return { ...place(index === 0 ? 'twice' : 'late'), chainPem, nowMs };
    });
    const [twice, lateOne] = await Promise.all(completed);
    await completeAuthority(twice!);
    await expect(completeAuthority(lateOne!)).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(readdirSync(join(data, 'ca')).filter((name) => !name.startsWith('.'))).toEqual([
      ...['factory', 'root', 'twice'],
    ]);
  });

  it('under an offline root get a new key by a request too, and the one before is retired', async () => {
    const offline = join(folder, 'offline');
    await aRoot(offline);
    const carried = async (requestPem: string): Promise<string> => {
      const parent = place('root', offline);
      const { chainDer } = await signAuthorityRequest({ requestPem, parent, nowMs });
      return chainDer.map((der) => pemEncode('CERTIFICATE', der)).join('');
    };
    const status = { baseUri: 'http://status.example', crlShards: 2 };
    const { requestPem } = await requestAuthority(wish('factory', { status }));
    const first = { ...place('factory'), chainPem: await carried(requestPem), nowMs };
    const before = await completeAuthority(first);
    const rekeyed = { ...place('factory-2'), rekeys: 'factory', keyType: 'ec-p384' } as const;
    const next = await requestRekey(rekeyed);
    const second = { ...place('factory-2'), chainPem: await carried(next.requestPem), nowMs };
    const after = await completeAuthority(second);
    expect(after.subjectDer).toEqual(before.subjectDer);
    expect([after.keyType, after.status]).toEqual(['ec-p384', status]);
    expect((await loadIssuer(data, 'factory')).retirement?.successor).toBe('factory-2');
    // Killed before the one before was retired.
    rmSync(join(before.directory, 'retired.json'));
    await completeAuthority(second);
    expect((await loadIssuer(data, 'factory')).retirement?.successor).toBe('factory-2');
    await rekeyAuthority({
      ...{ directory: data, name: 'factory-2', successor: 'factory-3', passphrase, nowMs },
      parent: place('root', offline),
    });
    verifies(await loadIssuer(data, 'factory-3'));
  });

  it('renewed in the middle, they are whole again once it is renewed again', async () => {
    await aRoot();
    await issueAuthority(wish('oem', { pathLenConstraint: 1 }), place('root'), nowMs);
    const before = await issueAuthority(wish('factory'), place('oem'), nowMs);
    const renew = () =>
      renewAuthority({ directory: data, name: 'oem', parent: place('root'), nowMs });
    await renew();
    // As a kill after the CA's own chain leaves it.
    const old = before.chainDer.map((der) => pemEncode('CERTIFICATE', der)).join('');
    writeFileSync(before.chainFile, old);
    verifies(await loadIssuer(data, 'factory'));
    const oem = await renew();
    expect((await loadIssuer(data, 'factory')).chainDer[1]).toEqual(oem.chainDer[0]);
    verifies(await loadIssuer(data, 'factory'));
  });

  it('taken in and killed in the middle, they are whole again once it is taken in again', async () => {
    await aRoot();
    await issueAuthority(wish('oem', { pathLenConstraint: 1 }), place('root'), nowMs);
    const before = await issueAuthority(wish('factory'), place('oem'), nowMs);
    const requestPem = await requestRenewal(place('oem'));
    const pathLenConstraint = 1;
    const signing = { requestPem, parent: place('root'), pathLenConstraint, nowMs };
    const { chainDer } = await signAuthorityRequest(signing);
    const chainPem = chainDer.map((der) => pemEncode('CERTIFICATE', der)).join('');
    const complete = () =>
      completeAuthority({ directory: data, name: 'oem', chainPem, passphrase, nowMs });
    await complete();
    // As a kill after the CA's own chain leaves it.
    const old = before.chainDer.map((der) => pemEncode('CERTIFICATE', der)).join('');
    writeFileSync(before.chainFile, old);
    const oem = await complete();
    expect((await loadIssuer(data, 'factory')).chainDer[1]).toEqual(oem.chainDer[0]);
    verifies(await loadIssuer(data, 'factory'));
    expect(readdirSync(join(data, 'ca/oem/former'))).toHaveLength(1);
  });

  it('moved to another root and killed in the middle, they are whole again once it is taken in again', async () => {
    await aRoot();
    for (const name of ['other', 'third']) {
      await aRoot(join(folder, name), { subjectDer: wish(name).subjectDer });
    }
    await issueAuthority(wish('oem', { pathLenConstraint: 1 }), place('root'), nowMs);
    const before = await issueAuthority(wish('factory'), place('oem'), nowMs);
    // A chain over a cross-certificate is chosen, and stays.
    const crossed = await crossCertify({
      ...{ directory: data, name: 'oem', by: place('root', join(folder, 'third')), nowMs },
    });
    const requestPem = await requestRenewal(place('oem'));
    const { chainDer } = await signAuthorityRequest({
      ...{ requestPem, parent: place('root', join(folder, 'other')), pathLenConstraint: 1, nowMs },
    });
    const second = await issueAuthority(wish('second'), place('oem'), nowMs);
    writeFileSync(
      second.chainFile,
      pemOfCertificates([...second.chainDer.slice(0, 1), ...crossed.chainDer]),
    );
    const complete = () =>
      completeAuthority({
        ...{
          directory: data,
          name: 'oem',
          chainPem: pemOfCertificates(chainDer),
          passphrase,
          nowMs,
        },
      });
    await complete();
    // As a kill after the CA's own chain leaves it.
    writeFileSync(before.chainFile, pemOfCertificates(before.chainDer));
    await complete();
    expect((await loadIssuer(data, 'factory')).chainDer.slice(1)).toEqual(chainDer);
    expect((await loadIssuer(data, 'second')).chainDer.slice(1)).toEqual(crossed.chainDer);
  });

  it('below a CA with a new key say how they come under that', async () => {
    await aRoot();
    await issueAuthority(wish('oem', { pathLenConstraint: 1 }), place('root'), nowMs);
    await issueAuthority(wish('factory'), place('oem'), nowMs);
    const later = nowMs + 3_600_000;
    const rekeyed = { directory: data, name: 'oem', successor: 'oem-2', passphrase };
    await rekeyAuthority({ ...rekeyed, parent: place('root'), nowMs: later });
    const renewing = renewAuthority({
      ...{ directory: data, name: 'factory', parent: place('oem-2'), nowMs: later },
    });
    await expect(renewing).rejects.toThrow('certmill ca request factory --renewal');
    const requestPem = await requestRenewal(place('factory'));
    const { chainDer } = await signAuthorityRequest({
      ...{ requestPem, parent: place('oem-2'), nowMs: later },
    });
    const chainPem = pemOfCertificates(chainDer);
    const factory = await completeAuthority({ ...place('factory'), chainPem, nowMs: later });
    expect(factory).toMatchObject({ parent: 'oem-2' });
  });

  describe('with a root that gets a new key', () => {
    const secret = 'another one';
    let next: string;
    beforeEach(async () => {
      next = join(folder, 'next');
      await aRoot(data, { pathLenConstraint: 1, lifetimeSeconds: years(20) });
    });
    const rekey = (overrides: Partial<RootRekeyOptions> = {}) =>
      rekeyRoot({
        from: { directory: data, passphrase },
        into: { directory: next, passphrase: secret },
        keyType: 'ec-p384',
        nowMs,
        ...overrides,
      });
    const underNext: AuthorityPlace = { directory: '', name: 'root', passphrase: secret };

    it('verify with either key of it, whichever signed', async () => {
      const old = await issueAuthority(wish('old'), place('root'), nowMs);
      const [before] = await loadAuthorities(data);
      const { root, newWithOld, oldWithNew } = await rekey();
      expect(root.subjectDer).toEqual(before!.subjectDer);
      expect(root.keyType).toBe('ec-p384');
      const young = await issueAuthority(wish('new'), { ...underNext, directory: next }, nowMs);
      verifies(old);
      verifies(young);
      // RFC 9810 4.4: NewWithOld, for who trusts the old key; OldWithNew, for who trusts the new one.
      verifies(young, [...young.chainDer.slice(0, 1), ...newWithOld.chainDer]);
      verifies(old, [...old.chainDer.slice(0, 1), ...oldWithNew.chainDer]);
      const [asNew] = newWithOld.chainDer.map((der) => readCaCertificate(der, 'NewWithOld'));
      const [asOld] = oldWithNew.chainDer.map((der) => readCaCertificate(der, 'OldWithNew'));
      expect([asNew?.notBeforeMs, asNew?.notAfterMs]).toEqual([
        root.notBeforeMs,
        before!.notAfterMs,
      ]);
      expect([asOld?.notBeforeMs, asOld?.notAfterMs]).toEqual([
        before!.notBeforeMs,
        before!.notAfterMs,
      ]);
      // What completes a CA by such a chain is taken in: the other key is not counted as a CA.
      checkChain(
        [...old.chainDer.slice(0, 1), ...oldWithNew.chainDer].map((der) =>
          readCaCertificate(der, 'it'),
        ),
        nowMs,
      );
    });

    it('have one with the new key, however often it is asked for and wherever that was killed', async () => {
      const first = await rekey();
      const again = await rekey();
      expect(again.root.serialNumberHex).toBe(first.root.serialNumberHex);
      expect([again.newWithOld, again.oldWithNew]).toEqual([first.newWithOld, first.oldWithNew]);
      rmSync(first.oldWithNew.file);
      const { newWithOld, oldWithNew } = await rekey();
      expect(newWithOld).toEqual(first.newWithOld);
      expect(existsSync(oldWithNew.file)).toBe(true);
      const itself = { directory: data, passphrase };
      await expect(rekey({ into: itself })).rejects.toThrow('give another folder');
      await expect(rekey({ keyType: 'ec-p521' })).rejects.toThrow('give another folder');
      await expect(rekey({ into: { directory: next, passphrase } })).rejects.toThrow('passphrase');
    });

    it('have their CRLs at two addresses', async () => {
      const elsewhere = join(folder, 'elsewhere');
      const status = { baseUri: 'http://status.example', crlShards: 0 };
      await aRoot(elsewhere, { status });
      const from = { directory: elsewhere, passphrase };
      for (const again of [{}, { status }]) {
        await expect(rekey({ from, ...again })).rejects.toThrow('an address of its own');
      }
      expect(existsSync(next)).toBe(false);
      const { oldWithNew } = await rekey({
        ...{ from, status: { ...status, baseUri: 'http://next.example' } },
      });
      const file = pem('old-with-new.pem', oldWithNew.chainDer[0]);
      const text = openssl('x509', '-in', file, '-noout', '-text');
      expect(text).toContain('URI:http://next.example/crl/root/ca.crl');
    });
  });

  it('cross-certified both ways verify with either root', async () => {
    const other = join(folder, 'other');
    await aRoot();
    await aRoot(other, {
      subjectDer: distinguishedNameDer([{ type: 'commonName', value: 'Other root' }]),
    });
    const ours = await issueAuthority(wish('ours'), place('root'), nowMs);
    const theirs = await issueAuthority(
      wish('theirs', { directory: other }),
      place('root', other),
      nowMs,
    );
    const toOther = await crossCertify({
      directory: data,
      name: 'root',
      by: place('root', other),
      nowMs,
    });
    const toUs = await crossCertify({
      directory: other,
      name: 'root',
      by: place('root'),
      nowMs,
    });
    verifies(ours, [ours.chainDer[0] ?? new Uint8Array(), ...toOther.chainDer]);
    verifies(theirs, [theirs.chainDer[0] ?? new Uint8Array(), ...toUs.chainDer]);
    // The chain in force is the one before.
    expect((await loadIssuer(data, 'ours')).chainDer).toEqual(ours.chainDer);
    expect(readFileSync(toOther.file, 'utf8').match(/BEGIN/g)).toHaveLength(2);
    const itself = crossCertify({ directory: data, name: 'root', by: place('root'), nowMs });
    await expect(itself).rejects.toThrow('does not cross-certify itself');
  });

  describe('with a CA that is revoked', () => {
    const crl = (atMs: number, seconds = 86_400) => issueCaCrl(place('root'), seconds, atMs);
    const crlFile = (): string => join(data, 'ca/root/ca.crl');
    let root: Issuer;
    let revoked: Issuer;
    const revoke = (atMs: number, ca = revoked) =>
      revokeAuthority({
        directory: data,
        parent: 'root',
        certificateDer: ca.chainDer[0] ?? new Uint8Array(),
        reason: 'keyCompromise',
        nowMs: atMs,
      });
    beforeEach(async () => {
      root = await aRoot(data, { lifetimeSeconds: years(20) });
      const short = wish('revoked', { lifetimeSeconds: years(5) });
      revoked = await issueAuthority(short, place('root'), nowMs);
    });

    it('tell of it in every CRL, beyond its end and after a clock that was ahead', async () => {
      await revoke(nowMs);
      const first = await crl(nowMs);
      for (const year of [7, 8]) expect((await crl(nowMs + years(year) * 1_000)).entries).toBe(1);
      const ahead = readFileSync(crlFile());
      await expect(crl(nowMs)).rejects.toMatchObject({
        code: 'FAULT_CLOCK_BACKWARDS',
        message: expect.stringContaining(`${crlFile()}, is of `) as string,
      });
      expect(readFileSync(crlFile())).toEqual(ahead);
      // docs/runbooks/clock-backwards.md: nobody takes a list of the future.
      rmSync(crlFile());
      const right = await crl(nowMs);
      expect([right.entries, right.crlNumber > first.crlNumber]).toEqual([1, true]);
      const list = join(folder, 'crl.pem');
      writeFileSync(list, pemEncode('X509 CRL', right.der));
      const anchor = ['-CAfile', root.certificateFile, '-CRLfile', list];
      const verdict = spawnSync('openssl', [
        ...['verify', '-crl_check', ...anchor, revoked.certificateFile],
      ]);
      expect(verdict.stderr.toString()).toContain('certificate revoked');
    });

    it('change nothing with a clock behind the root, its last CRL, or beyond its end', async () => {
      const other = await issueAuthority(wish('other'), place('root'), nowMs);
      const made = await crl(nowMs + 86_400_000);
      const before = readFileSync(crlFile());
      const behind = expect.objectContaining({ code: 'FAULT_CLOCK_BACKWARDS' }) as unknown;
      for (const atMs of [nowMs, nowMs - 86_400_000]) {
        await expect(crl(atMs)).rejects.toEqual(behind);
        await expect(revoke(atMs, other)).rejects.toEqual(behind);
      }
      const late = nowMs + years(21) * 1_000;
      await expect(crl(late)).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining("CA 'root' expired at ") as string,
      });
      await expect(revoke(late, other)).rejects.toMatchObject({ code: 'CONFLICT' });
      expect(readFileSync(crlFile())).toEqual(before);
      expect(existsSync(join(data, 'ca/root/revoked-cas.json'))).toBe(false);
      // Some seconds are jitter: the time does not go back.
      const next = await crl(nowMs + 86_400_000 - 3_000);
      expect(next.thisUpdateMs).toBe(made.thisUpdateMs);
      expect(next.crlNumber).toBeGreaterThan(made.crlNumber);
    });

    it('have no revocation dated after the CRL, though one was recorded with a clock ahead', async () => {
      await revoke(nowMs + years(1) * 1_000);
      const { der, thisUpdateMs } = await crl(nowMs);
      const list = join(folder, 'crl.pem');
      writeFileSync(list, pemEncode('X509 CRL', der));
      const text = openssl('crl', '-in', list, '-noout', '-text');
      const [, date = ''] = /Revocation Date: (.+)/.exec(text) ?? [];
      expect(Date.parse(date)).toBe(thisUpdateMs);
    });

    it('have CRLs of 10 years at most, which end with the root', async () => {
      for (const seconds of [years(10) + 1, 0]) {
        await expect(crl(nowMs, seconds)).rejects.toMatchObject({ code: 'INVALID_INPUT' });
      }
      const { nextUpdateMs } = await crl(nowMs + years(19) * 1_000, years(10));
      expect(nextUpdateMs).toBe(root.notAfterMs);
    });
  });

  it('end with a kill switch: its revocation ends its certificates and no others', async () => {
    const status = { baseUri: 'http://status.example.com', crlShards: 0 };
    await aRoot(data, { status });
    const order = { tenant: 'local', orderId: 'line-7' };
    const bound = await issueAuthority(wish('line-7', { order, status }), place('root'), nowMs);
    const other = await issueAuthority(wish('line-8', { status }), place('root'), nowMs);
    expect(bound.order).toEqual(order);
    const [certificateDer = new Uint8Array()] = bound.chainDer;
    const revoke = () =>
      revokeAuthority({
        directory: data,
        parent: 'root',
        certificateDer,
        reason: 'cessationOfOperation',
        nowMs,
      });
    const crlFile = join(folder, 'root.crl');
    const publish = async (atMs: number) => {
      const crl = await issueCaCrl(place('root'), 86_400, atMs);
      writeFileSync(crlFile, pemEncode('X509 CRL', crl.der));
      return crl;
    };
    const check = (ca: Issuer): string => {
      const root = pem('root.pem', ca.chainDer[1]);
      try {
        return openssl(
          ...['verify', '-x509_strict', '-crl_check', '-CRLfile', crlFile, '-CAfile', root],
          ca.certificateFile,
        );
      } catch (error) {
        return String((error as { stderr?: Buffer }).stderr);
      }
    };
    const first = await publish(nowMs);
    expect([check(bound), check(other)]).toEqual([
      expect.stringContaining('OK'),
      expect.stringContaining('OK'),
    ]);
    expect((await revoke()).isNew).toBe(true);
    expect((await revoke()).isNew).toBe(false);
    // The clock was set back a little: the number is greater all the same.
    const second = await publish(nowMs - 3_000);
    expect(second.crlNumber).toBe(first.crlNumber + 1n);
    expect(second.entries).toBe(1);
    const third = await publish(nowMs);
    expect(third.crlNumber).toBe(second.crlNumber + 1n);
    expect(check(bound)).toContain('certificate revoked');
    expect(check(other)).toContain('OK');
    expect(openssl('crl', '-in', crlFile, '-noout', '-text')).toMatch(
      /X509v3 Issuing Distribution Point: critical[^]*Only CA Certificates[^]*Cessation Of Operation/,
    );
    const revoked = await loadIssuer(data, 'line-7');
    expect(refusalOf(revoked, nowMs)).toMatch(/revoked: .*cessationOfOperation/);
    expect(refusalOf(await loadIssuer(data, 'line-8'), nowMs)).toBeUndefined();
    await expect(openAuthority(place('line-7'), nowMs)).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('of a revoked intermediate are refused whole', async () => {
    await aRoot(data);
    const oem = await issueAuthority(wish('oem', { pathLenConstraint: 1 }), place('root'), nowMs);
    await issueAuthority(wish('factory'), place('oem'), nowMs);
    const [certificateDer = new Uint8Array()] = oem.chainDer;
    const options = { directory: data, certificateDer, reason: 'cACompromise', nowMs } as const;
    await expect(revokeAuthority({ ...options, parent: 'oem' })).rejects.toThrow(
      'did not sign this certificate',
    );
    await expect(
      revokeAuthority({ ...options, parent: 'root', reason: 'certificateHold' }),
    ).rejects.toThrow('certificateHold');
    await revokeAuthority({ ...options, parent: 'root' });
    expect(refusalOf(await loadIssuer(data, 'factory'), nowMs)).toContain('CN=oem, cACompromise');
    await expect(issueAuthority(wish('more'), place('oem'), nowMs)).rejects.toThrow('is revoked');
  });

  it('know all revocations where ten were recorded at once', async () => {
    await aRoot(data);
    const issuers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        issueAuthority(wish(`line-${String(index)}`), place('root'), nowMs),
      ),
    );
    await Promise.all(
      issuers.map(({ chainDer: [certificateDer = new Uint8Array()] }) =>
        revokeAuthority({
          directory: data,
          parent: 'root',
          certificateDer,
          reason: 'superseded',
          nowMs,
        }),
      ),
    );
    expect((await authorityIn(data, 'root')).revokedCas).toHaveLength(10);
  });

  it('refuse a key that is not there or another CA has', async () => {
    await aRoot();
    const one = await issueAuthority(wish('one', { pathLenConstraint: 0 }), place('root'), nowMs);
    const two = await issueAuthority(wish('two'), place('root'), nowMs);
    renameSync(one.keyFile, join(folder, 'kept-elsewhere.pem'));
    expect((await loadIssuer(data, 'one')).hasKey).toBe(false);
    await expect(openAuthority(place('one'), nowMs)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    writeFileSync(one.keyFile, readFileSync(two.keyFile));
    await expect(openAuthority(place('one'), nowMs)).rejects.toMatchObject({
      code: 'FAULT_KEY_MISMATCH',
    });
    await expect(openAuthority(place('two'), two.notAfterMs + 1_000)).rejects.toThrow('expired at');
  });
});
