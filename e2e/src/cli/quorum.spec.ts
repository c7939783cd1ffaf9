import { readdir, readFile, writeFile } from 'node:fs/promises';
import '../one-realm.js';
import { serve, serveSchema, type Server } from '@certmill/standalone';
import type { ChainedAuditEntry } from '@certmill/domain';
import { builtInProfileText } from '@certmill/domain/profile-files';
import { openssl } from './testing/openssl.js';
import { runCertmill, type Ended } from './testing/run-certmill.js';
import { aWorkFolder, type WorkFolder } from './testing/work-folder.js';

let work: WorkFolder;
/** How the command finds its server. */
let env: Readonly<Record<string, string>> = {};
const type = (...args: readonly string[]): Promise<Ended> =>
  runCertmill(args, { cwd: work.path, env });
const done = async (...args: readonly string[]): Promise<string> => {
  const { exitCode, stdout, stderr } = await type(...args);
  expect([exitCode, exitCode === 0 ? '' : stderr]).toEqual([0, '']);
  return stdout;
};
const keyOf = (name: string): string[] => ['--key', `${name}.key`, '--passphrase-file', 'pass'];

beforeAll(async () => {
  work = await aWorkFolder();
  openssl('rand', '-base64', '-out', work.at('pass'), '24');
  const people = ['alice', 'bob', 'carol'];
  for (const name of [...people, 'wendy']) {
    const pass = `file:${work.at('pass')}`;
    const key = work.at(`${name}.key`);
    openssl('genpkey', '-algorithm', 'ed25519', '-aes-256-cbc', '-pass', pass, '-out', key);
    openssl('pkey', '-in', key, '-passin', pass, '-pubout', '-out', work.at(`${name}.pub`));
  }
  await writeFile(work.at('steps.yaml'), '- do: adopt-quorum\n');
  const participants = people.flatMap((name) => [
    '--participant',
    `${name}=administrator:${name}.pub`,
  ]);
  const quorum = ['--participant', 'wendy=witness:wendy.pub', '--steps', 'steps.yaml'];
  await done('ceremony', 'new', 'quorum.yaml', ...participants, ...quorum);
  for (const name of ['alice', 'bob'])
    await done('ceremony', 'approve', 'quorum.yaml', ...keyOf(name));
  const approvals = ['alice', 'bob'].flatMap((name) => [
    '--approval',
    `quorum.yaml.${name}.approval.json`,
  ]);
  await done('ceremony', 'run', 'quorum.yaml', '--data', 'data', '--allow-network', ...approvals);
});
afterAll(async () => work[Symbol.asyncDispose]());

const issuers = async (): Promise<string[]> =>
  (await readdir(work.at('data/ca'), { withFileTypes: true }))
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);

interface Trail {
  readonly entries: readonly ChainedAuditEntry[];
  readonly folderEntries: readonly ChainedAuditEntry[];
}

const trailOf = async (folder: string): Promise<Trail> =>
  JSON.parse(await done('audit', 'list', '--data', folder, '--json')) as Trail;

describe('in an installation that has a quorum', () => {
  const approvalsOf = (...names: string[]): string[] =>
    names.flatMap((name) => ['--approval', `op.json.${name}.approval.json`]);
  const init = ['ca', 'init', 'factory', '--data', 'data'];

  it('nobody makes an issuer alone, and is told how it is done', async () => {
    const { exitCode, stderr } = await type(...init);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('APPROVAL_REQUIRED');
    expect(stderr).toContain('0 of 2 approvals are there; these can approve: alice, bob, carol');
    expect(stderr).toContain('--propose FILE');
    expect(await issuers()).toEqual([]);
  });

  it('two make it: proposed, approved, done once', async () => {
    expect(await done(...init, '--propose', 'op.json')).toContain('nothing was done');
    expect(await issuers()).toEqual([]);
    expect(JSON.parse(await readFile(work.at('op.json'), 'utf8'))).toMatchObject({
      kind: 'issuer-creation',
      parameters: { command: 'init', name: 'factory' },
    });
    for (const name of ['bob', 'carol']) {
      const said = await done('ceremony', 'approve', 'op.json', '--as', name, ...keyOf(name));
      expect(said).toMatch(/^ {2}command: "init"\n {2}name: "factory"$/m);
    }
    const one = await type(...init, ...approvalsOf('bob'));
    expect([one.exitCode, one.stderr]).toEqual([1, expect.stringContaining('1 of 2 approvals')]);
    const other = ['ca', 'init', 'factory-b', '--data', 'data', ...approvalsOf('bob', 'carol')];
    const changed = await type(...other);
    expect(changed.stderr).toContain('approves the same operation with other content');
    expect(await issuers()).toEqual([]);
    await done(...init, ...approvalsOf('bob', 'carol'));
    expect((await issuers()).sort()).toEqual(['factory', 'root']);
    const again = await type(...init, ...approvalsOf('bob', 'carol'));
    expect([again.exitCode, again.stderr]).toEqual([1, expect.stringContaining('used up')]);
  });

  it('nobody revokes many alone; looking is free', async () => {
    const all = ['revoke', '--issuer', 'factory', '--data', 'data'];
    const { exitCode, stderr } = await type(...all, '--yes');
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('0 of 2 approvals')]);
    expect((await type(...all, '--dry-run')).stderr).not.toContain('approvals');
    expect(await done(...all, '--yes', '--propose', 'mass.json')).toContain('mass-revocation');
  });

  it('a folder without a quorum asks nobody', async () => {
    await done('ca', 'init', 'factory', '--data', 'plain');
  });

  it('the trail of a folder without a store says who did what with which approvals', async () => {
    const { folderEntries } = await trailOf('data');
    expect(folderEntries.map(({ action }) => action)).toEqual([
      ...['ceremony.run.ended', 'approvals.used', 'ca.init.begun', 'ca.init.ended'],
    ]);
    expect(folderEntries[0]?.detail).toMatchObject({
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
    });
    expect(folderEntries[1]?.detail).toMatchObject({ approvers: 'bob, carol' });
    expect(folderEntries.at(-1)).toMatchObject({
      actor: expect.stringMatching(/^certmill ca init \(.+\)$/) as unknown,
      detail: { name: 'factory' },
    });
    expect(await done('audit', 'verify', '--data', 'data')).toContain('4 entries');
  });
});

describe('at the server of an installation that has a quorum', () => {
  let server: Server;
  beforeAll(async () => {
    const data = work.at('data');
    const http = { port: 0 };
    server = await serve(
      serveSchema.parse({ data, http, logLevel: 'silent', stopTimeoutMs: 1_000 }),
    );
    const key = (await server.openFirstCredential())?.key ?? '';
    env = { CERTMILL_SERVER: server.url, CERTMILL_API_KEY: key };
    const profile = builtInProfileText('tls-client').replace(/^name: .*$/m, 'name: mine');
    await writeFile(work.at('mine.yaml'), profile);
    await writeFile(work.at('list.txt'), 'device-1\ndevice-2\n');
  });
  afterAll(() => server.stop());

  const approvedBy = async (...names: string[]): Promise<readonly string[]> => {
    for (const name of names) {
      await done('ceremony', 'approve', 'server.json', '--as', name, ...keyOf(name));
    }
    return names.flatMap((name) => ['--approval', `server.json.${name}.approval.json`]);
  };

  it('a profile is proposed, approved by two, and added', async () => {
    const add = ['profile', 'add', 'mine.yaml'];
    const alone = await type(...add);
    expect([alone.exitCode, alone.stderr]).toEqual([
      1,
      expect.stringMatching(/APPROVAL_REQUIRED: 0 of 2 approvals[^]*--propose FILE/),
    ]);
    expect(await done(...add, '--propose', 'server.json')).toContain('nothing was done');
    const approvals = await approvedBy('alice', 'carol');
    const one = await type(...add, ...approvals.slice(2));
    expect([one.exitCode, one.stderr]).toEqual([1, expect.stringContaining('1 of 2 approvals')]);
    expect(await done(...add, ...approvals)).toContain('profile mine, version');
  });

  it('many are revoked with approvals of exactly that, once', async () => {
    const revoke = [
      'revoke',
      '--file',
      'list.txt',
      '--reason',
      'superseded',
      '--server',
      server.url,
    ];
    expect((await type(...revoke, '--yes')).stderr).toContain('0 of 2 approvals');
    await done(...revoke, '--propose', 'server.json');
    const proposed = JSON.parse(await readFile(work.at('server.json'), 'utf8')) as unknown;
    expect(proposed).toMatchObject({
      kind: 'mass-revocation',
      parameters: { deviceIds: ['device-1', 'device-2'], reason: 'superseded', tenant: 'default' },
    });
    const approvals = await approvedBy('bob', 'carol');
    const changed = await type(...revoke.with(4, 'keyCompromise'), '--yes', ...approvals);
    expect(changed.stderr).toContain('other content');
    const whole = await type(...revoke, '--yes', ...approvals);
    expect([whole.exitCode, whole.stdout]).toEqual([2, expect.stringContaining('2 not found')]);
    expect((await type(...revoke, '--yes', ...approvals)).stderr).toContain('used up');
  });

  it('a mass operation asks for approvals too', async () => {
    const begin = ['mass', 'revoke', 'leak', '--issuer', 'factory'];
    await done(...begin, '--propose', 'server.json');
    const { stderr } = await type(...begin, '--yes', ...(await approvedBy('bob')), '--rate', '5');
    expect(stderr).toContain('the selection has no certificates');
  });

  it('what is done with its CAs is in its trail, while it runs and when it rests', async () => {
    const approve = async (...args: string[]): Promise<void> => {
      await done(...args, '--propose', 'server.json');
      await done(...args, ...(await approvedBy('alice', 'bob')));
    };
    await approve('ca', 'crl', 'root', '--data', 'data');
    await server.stop();
    await approve('ca', 'issue', 'other', '--under', 'root', '--data', 'data');
    const { entries, folderEntries } = await trailOf('data');
    const ofCas = entries.filter(({ action }) => action.startsWith('ca.'));
    expect(ofCas.map(({ action }) => action)).toEqual([
      ...['ca.crl.begun', 'ca.crl.ended', 'ca.issue.begun', 'ca.issue.ended'],
    ]);
    expect(ofCas[2]?.detail).toMatchObject({ name: 'other', under: 'root' });
    expect(folderEntries).toHaveLength(4);
    await done('audit', 'verify', '--data', 'data');
    const text = await readFile(work.at('data/audit/00000002.json'), 'utf8');
    await writeFile(work.at('data/audit/00000002.json'), text.replace('bob', 'eve'));
    const broken = await type('audit', 'verify', '--data', 'data');
    expect([broken.exitCode, broken.stderr]).toEqual([
      1,
      expect.stringContaining('the audit trail of the folder is broken at entry 2'),
    ]);
  });
});
