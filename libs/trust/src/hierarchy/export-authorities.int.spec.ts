import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closeIssuer } from './close-issuer.js';
import { distinguishedNameDer } from './distinguished-name.js';
import { exportAuthorities } from './export-authorities.js';
import { createRoot, issueAuthority } from './issue-authority.js';
import { issueCaCrl } from './issue-ca-crl.js';
import { loadAuthorities } from './load-issuers.js';
import { rekeyAuthority, renewAuthority } from './renew-authority.js';
import { revokeAuthority } from './revoke-authority.js';

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

test('a folder with keys or with other CAs takes nothing', async () => {
  const refused = async (code: string, message: string) => {
    const before = filesBelow(into);
    const told = { code, message: expect.stringContaining(message) as string };
    await expect(exported()).rejects.toMatchObject(told);
    expect(filesBelow(into)).toEqual(before);
  };
  cpSync(data, into, { recursive: true });
  rmSync(join(into, 'ca/factory'), { recursive: true });
  await refused('CONFLICT', 'key.pem leads to a key');
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
