import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { writeRetirement } from './ca-description.js';
import { closeIssuer } from './close-issuer.js';
import { keepDelegate } from '../responders/delegate-ends.js';
import { distinguishedNameDer } from './distinguished-name.js';
import { exportAuthorities } from './export-authorities.js';
import { pemOfCertificates } from './ca-certificate.js';
import { completeAuthority } from './request-authority.js';
import { IssuerLifeReader } from '../verify/issuer-lives.js';
import { importCaCrl } from './import-ca-crl.js';
import { createRoot, issueAuthority } from './issue-authority.js';
import { issueCaCrl } from './issue-ca-crl.js';
import { loadAuthorities, loadIssuer } from './load-issuers.js';
import type { AuthorityPlace } from './open-authority.js';
import { rekeyAuthority, renewAuthority } from './renew-authority.js';
import { keySha256Of } from './lost-keys.js';
import { revokeAuthority } from './revoke-authority.js';
import { writeRevokedCas } from './revoked-cas.js';

const passphrase = 'only for this test';
const nowMs = Date.now();
const named = (value: string) => distinguishedNameDer([{ type: 'commonName', value }]);

let folder: string;
let data: string;
let into: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-export-'));
  data = join(folder, 'data');
  into = join(folder, 'public');
  const ca = { directory: data, passphrase, keyType: 'ec-p256' } as const;
  await createRoot({ ...ca, subjectDer: named('Root') }, nowMs);
  for (const name of ['factory', 'line']) {
    const wish = { ...ca, name, subjectDer: named(name), pathLenConstraint: 0 };
    await issueAuthority(wish, root(), nowMs);
  }
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const root = () => ({ directory: data, name: 'root', passphrase });
const exported = () => exportAuthorities({ directory: data, into });
const filesBelow = (directory: string): readonly string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== '.lock')
    .map((entry) => join(entry.parentPath, entry.name));
/** What a role that signs nothing goes by. */
const seenIn = async (directory: string) =>
  (await loadAuthorities(directory)).map((ca) => [
    ...[ca.name, ca.role, ca.serialNumberHex, ca.retirement, ca.revoked, ca.revokedCas],
    ca.chainDer.map((der) => Buffer.from(der).toString('base64')),
  ]);

async function changed(): Promise<void> {
  await renewAuthority({ ...root(), name: 'factory', parent: root(), nowMs });
  const rekeyed = { directory: data, name: 'factory', successor: 'factory-2', passphrase, nowMs };
  await rekeyAuthority({ ...rekeyed, parent: root() });
  await closeIssuer({ directory: data, name: 'line', nowMs });
  const [, , , line] = await loadAuthorities(data);
  await revokeAuthority({
    ...{ directory: data, parent: 'root', reason: 'cACompromise', nowMs },
    certificateDer: line!.chainDer[0]!,
  });
  await issueCaCrl(root(), 86_400, nowMs);
  await keepDelegate(data, 'factory', (await loadIssuer(data, 'factory')).chainDer[0]!);
}

test('what is exported has no key, and is what a role that signs nothing goes by', async () => {
  await changed();
  // What nobody knows may be a key.
  writeFileSync(join(data, 'ca/factory/notes.txt'), 'the passphrase is ...');
  expect(await exported()).toMatchObject({ cas: ['root', 'factory', 'factory-2', 'line'] });
  expect(await seenIn(into)).toEqual(await seenIn(data));
  expect((await loadAuthorities(into)).map(({ hasKey }) => hasKey)).not.toContain(true);
  const files = filesBelow(into);
  expect(files.filter((file) => !/\.(pem|crl|sha256|json)$/.test(file))).toEqual([]);
  for (const file of files) expect(readFileSync(file, 'latin1')).not.toMatch(/PRIVATE KEY/);
  const [one] = readdirSync(join(into, 'ca/factory/former'));
  expect(readdirSync(join(data, 'ca/factory/former'))).toEqual([one]);
  expect(readdirSync(join(into, 'ca/factory/delegates'))).toHaveLength(1);
  const crl = ['crl', '-inform', 'der', '-in', join(into, 'ca/root/ca.crl'), '-noout', '-text'];
  expect(execFileSync('openssl', crl).toString()).toContain('CA Compromise');
  const verify = ['verify', '-CAfile', join(into, 'ca/root/certificate.pem')];
  const certificate = join(into, 'ca/factory-2/certificate.pem');
  expect(execFileSync('openssl', [...verify, certificate]).toString()).toContain(': OK');
});

test('what changed since is written into what was exported before, and nothing else', async () => {
  await exported();
  expect(await exported()).toMatchObject({ filesWritten: 0 });
  await changed();
  const { filesWritten } = await exported();
  expect(filesWritten).toBeGreaterThan(8);
  expect(filesWritten).toBeLessThan(filesBelow(into).length);
  expect(await seenIn(into)).toEqual(await seenIn(data));
});

describe('of a folder that came from a copy of an earlier time', () => {
  const revoke = async (name: string, reason: 'superseded' | 'keyCompromise') => {
    const { chainDer } = await loadIssuer(data, name);
    const certificateDer = chainDer[0] ?? new Uint8Array();
    await revokeAuthority({ directory: data, parent: 'root', reason, certificateDer, nowMs });
  };
  const lostBefore = async (...names: readonly string[]) => {
    const entries = names.map(async (name) => {
      const { serialNumberHex, subject, spkiDer, notAfterMs } = await loadIssuer(data, name);
      const told = { serialNumberHex, subject, notAfterMs, revokedAtMs: nowMs };
      return { ...told, reason: 'keyCompromise' as const, keySha256: keySha256Of(spkiDer) };
    });
    await writeRevokedCas(join(data, 'ca/root/revoked-before.json'), await Promise.all(entries));
  };
  const crlAt = (atMs: number) => issueCaCrl(root(), 86_400, atMs);
  const retired = join('ca', 'line', 'retired.json');
  const wayOf: Readonly<Record<string, readonly (() => Promise<unknown>)[]>> = {
    revocation: [() => revoke('factory', 'superseded'), () => revoke('line', 'superseded')],
    loss: [() => revoke('line', 'superseded'), () => revoke('line', 'keyCompromise')],
    'loss before': [() => lostBefore('line'), () => lostBefore('line', 'factory')],
    crlNumber: [() => crlAt(nowMs), () => crlAt(nowMs + 1_000)],
    'entry of a CRL': [
      () => Promise.resolve(),
      () => revoke('line', 'superseded').then(() => crlAt(nowMs)),
      // The copy has lost its record, and goes on.
      () => crlAt(nowMs + 1_000),
    ],
    chain: [() => renewed('factory'), () => renewed('factory')],
    'chain above': [
      () => issue('above', root()).then(() => issue('below', { ...root(), name: 'above' }, 0)),
      () => renewed('above'),
    ],
    'closed issuer': [
      () => writeRetirement(join(data, retired), { retiredAtMs: nowMs }),
      () => closeIssuer({ directory: data, name: 'line', nowMs }),
    ],
  };
  const renewed = (name: string) =>
    renewAuthority({ ...root(), name, parent: root(), nowMs: nowMs + 10_000 });
  const issue = (name: string, parent: AuthorityPlace, pathLenConstraint?: number) =>
    issueAuthority(
      {
        ...{ directory: data, name, passphrase, keyType: 'ec-p256', subjectDer: named(name) },
        ...{ lifetimeSeconds: 86_400, ...(pathLenConstraint === 0 ? { pathLenConstraint } : {}) },
      },
      parent,
      nowMs,
    );

  it.each([
    ['revocation', 'ca/root/revoked-cas.json', /CN=line .*superseded/],
    ['loss', 'ca/root/revoked-cas.json', /CN=line .*keyCompromise/],
    ['loss before', 'ca/root/revoked-before.json', /CN=factory .*keyCompromise/],
    ['crlNumber', 'ca/root/ca.crl', /crlNumber \d+/],
    ['entry of a CRL', 'ca/root/ca.crl', /lists [0-9a-f]{30}/],
    ['chain', 'ca/factory/chain.pem', /certificate [0-9a-f]{30}/],
    ['chain above', 'ca/below/chain.pem', /later certificate of CN=above/],
    ['closed issuer', retired, /closed/],
  ])('takes no %s back', async (what, file, message) => {
    const [before, change, since] = wayOf[what] ?? [];
    const copy = join(folder, 'copy');
    await issue('other', root(), 0);
    await before?.();
    cpSync(data, copy, { recursive: true });
    await change?.();
    if (what === 'chain above') {
      // The CA itself lies elsewhere.
      for (const one of [data, copy]) rmSync(join(one, 'ca/above'), { recursive: true });
    }
    await exported();
    const files = () =>
      Object.fromEntries(filesBelow(into).map((name) => [name, readFileSync(name, 'latin1')]));
    const there = files();
    const own = data;
    data = copy;
    await since?.();
    const refused = await exported().catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'CONFLICT' });
    expect(String(refused)).toContain(join(into, file));
    expect(String(refused)).toMatch(message);
    expect(files()).toEqual(there);
    data = own;
    expect(await exported()).toMatchObject({ filesWritten: 0 });
    await revoke('factory', 'keyCompromise');
    await renewed('other');
    await crlAt(nowMs + 60_000);
    await exported();
    expect(await seenIn(into)).toEqual(await seenIn(data));
  });
});

describe('where a CA above is elsewhere, and its certificate was replaced by one that ends earlier', () => {
  const far = () => ({ directory: join(folder, 'far'), name: 'oem', passphrase });
  const take = async (certificateDer: Uint8Array) =>
    completeAuthority({
      ...{ directory: data, name: 'below', passphrase, nowMs },
      chainPem: pemOfCertificates([
        certificateDer,
        ...(await loadIssuer(far().directory, 'oem')).chainDer,
      ]),
    });
  let leaf: Uint8Array;
  beforeEach(async () => {
    const ca = { passphrase, keyType: 'ec-p256' } as const;
    const away = { ...ca, directory: far().directory };
    await createRoot({ ...away, subjectDer: named('Far root') }, nowMs);
    const oem = { ...away, name: 'oem', subjectDer: named('OEM'), pathLenConstraint: 1 };
    await issueAuthority(oem, { ...far(), name: 'root' }, nowMs);
    const wish = { ...ca, directory: data, name: 'below', subjectDer: named('Below') };
    const lifetimeSeconds = 86_400;
    const { chainDer } = await issueAuthority(
      { ...wish, pathLenConstraint: 0, lifetimeSeconds },
      far(),
      nowMs,
    );
    leaf = chainDer[0]!;
    await exported();
    cpSync(data, join(folder, 'copy'), { recursive: true });
    const renewal = { ...far(), parent: { ...far(), name: 'root' }, nowMs: nowMs + 10_000 };
    await renewAuthority({ ...renewal, lifetimeSeconds: 30 * 86_400 });
  });

  test('the chain that was taken in is the later one', async () => {
    const before = await loadIssuer(data, 'below');
    await take(leaf);
    const after = await loadIssuer(data, 'below');
    expect(Buffer.compare(before.chainDer[1]!, after.chainDer[1]!)).not.toBe(0);
    await exported();
    expect(await seenIn(into)).toEqual(await seenIn(data));
    expect(new IssuerLifeReader().of(after).lives).toHaveLength(1);
    data = join(folder, 'copy');
    await refused('CONFLICT', 'later certificate of CN=OEM');
    // The way out that it names.
    const chainPem = readFileSync(join(into, 'ca/below/chain.pem'), 'utf8');
    await completeAuthority({ directory: data, name: 'below', passphrase, chainPem, nowMs });
    expect(await exported()).toMatchObject({ filesWritten: 0 });
  });
});

test('what was renewed in a folder that was restored goes out once it has taken in the chain that is there', async () => {
  await exported();
  const restored = join(folder, 'restored');
  cpSync(data, restored, { recursive: true });
  const renewed = (name: string) =>
    renewAuthority({ ...root(), name, parent: root(), nowMs: nowMs + 10_000 });
  await renewed('factory');
  await renewed('root');
  await exported();
  data = restored;
  await renewed('factory');
  const { chainDer } = await loadIssuer(data, 'line');
  await revokeAuthority({
    ...{ directory: data, parent: 'root', reason: 'keyCompromise', nowMs },
    certificateDer: chainDer[0]!,
  });
  const { serialNumberHex } = (await loadAuthorities(into))[0]!;
  const kept = join(data, 'ca/root/former', `${serialNumberHex}.pem`);
  await refused('CONFLICT', `copy that file first, to ${kept}`);
  mkdirSync(dirname(kept), { recursive: true });
  cpSync(join(into, 'ca/root/chain.pem'), kept);
  const chain = join(into, 'ca/factory/chain.pem');
  await refused('CONFLICT', `certmill ca complete factory --chain ${chain}`);
  const there = { chainPem: readFileSync(chain, 'utf8'), mayEndEarlier: true };
  const completed = { directory: data, name: 'factory', passphrase, nowMs: nowMs + 10_000 };
  await completeAuthority({ ...completed, ...there });
  await exported();
  expect((await loadIssuer(into, 'line')).revoked).toMatchObject({ reason: 'keyCompromise' });
});

test('an export that was killed in a new CA is whole once it is done again', async () => {
  await exported();
  const aside = join(into, 'ca/.line.0123456789ab.tmp');
  cpSync(join(into, 'ca/line'), aside, { recursive: true });
  rmSync(join(into, 'ca/line'), { recursive: true });
  rmSync(join(aside, 'certificate.pem'));
  await exported();
  expect(existsSync(aside)).toBe(false);
  expect(await seenIn(into)).toEqual(await seenIn(data));
});

const refused = async (code: string, message: string) => {
  const before = filesBelow(into);
  const told = { code, message: expect.stringContaining(message) as string };
  await expect(exported()).rejects.toMatchObject(told);
  expect(filesBelow(into)).toEqual(before);
};

test('no CRL comes by the name of another CA, and no CA by that of the CRL of another one', async () => {
  const far = { directory: join(folder, 'far'), name: 'root', passphrase };
  await createRoot({ ...far, keyType: 'ec-p256', subjectDer: named('Far root') }, nowMs);
  const plant = { directory: join(folder, 'plant'), passphrase, keyType: 'ec-p256' } as const;
  const wish = { ...plant, name: 'other', subjectDer: named('Other'), pathLenConstraint: 0 };
  await issueAuthority(wish, far, nowMs);
  const { der: crlDer } = await issueCaCrl(far, 86_400, nowMs);
  await importCaCrl({ directory: plant.directory, crlDer, name: 'root', nowMs: nowMs + 1_000 });
  await exported();
  const own = data;
  data = plant.directory;
  await refused('CONFLICT', join(into, 'ca/root'));
  [data, into] = [own, plant.directory];
  await refused('CONFLICT', "taken in here by the name 'root'");
});

test('a folder with a key of one of the CAs, or with another one of its name, takes nothing', async () => {
  cpSync(data, into, { recursive: true });
  rmSync(join(into, 'ca/factory'), { recursive: true });
  await refused('CONFLICT', 'key.pem leads to a key');
  for (const name of ['root', 'line']) {
    renameSync(join(into, 'ca', name), join(into, 'ca', `${name}-before`));
  }
  await refused('CONFLICT', 'root-before/key.pem leads to a key');
  rmSync(into, { recursive: true });
  const other = { directory: into, passphrase, keyType: 'ec-p256' } as const;
  await createRoot({ ...other, subjectDer: named('Other') }, nowMs);
  rmSync(join(into, 'ca/root/key.pem'));
  await refused('CONFLICT', "is of another CA 'root'");
  into = data;
  await refused('INVALID_INPUT', 'into another one');
  data = join(folder, 'nowhere');
  await expect(exported()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(existsSync(data)).toBe(false);
});
