import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { builtInProfileText } from '@certmill/domain/profile-files';
import { aCsr, csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { fencedCommands } from '../docs/testing/documented-commands.js';
import { startServer, type RunningServer } from '../server/testing/running-server.js';
import { openssl } from './testing/openssl.js';
import { openCertmill, type OpenCertmill } from './testing/open-certmill.js';
import { runCertmill } from './testing/run-certmill.js';
import { aWorkFolder, type WorkFolder } from './testing/work-folder.js';

const root = join(import.meta.dirname, '../../..');

interface Leaf {
  /** `order create` */
  readonly path: string;
  readonly help: string;
}

/** Every command that does something, as the help itself lists them. */
async function leavesOf(certmill: OpenCertmill, path: readonly string[]): Promise<Leaf[]> {
  const { exitCode, stdout: help } = await certmill.type(...path, '--help');
  expect([path, exitCode]).toEqual([path, 0]);
  const [, listed = ''] = /\nCommands:\n([^]*?)(?:\n\n|$)/.exec(help) ?? [];
  const words = [...listed.matchAll(/^ {2}([\w-]+)/gm)]
    .map(([, word = '']) => word)
    .filter((word) => word !== 'help');
  // A command may do something by itself and have others below: it shows an example of its own then.
  const isAlone = words.length === 0 || (path.length > 0 && help.includes('\nExamples:\n'));
  const below = await Promise.all(words.map((word) => leavesOf(certmill, [...path, word])));
  return [...(isAlone ? [{ path: path.join(' '), help }] : []), ...below.flat()];
}

let leaves: readonly Leaf[];
beforeAll(async () => {
  await using certmill = openCertmill();
  leaves = await leavesOf(certmill, []);
});

describe('the help of every command', () => {
  it('shows an example of it', () => {
    expect(leaves.length).toBeGreaterThan(20);
    for (const { path, help } of leaves) {
      expect(help.split('\nExamples:\n')[1]).toMatch(new RegExp(`^ .*\\bcertmill ${path}\\b`, 'm'));
    }
  });
});

const toIssuing = (profile: string): string[] => [
  ...['--to-issuer', 'issuing'],
  ...['--to-profile', profile],
];

/** Every command with `--json`; `run` keeps what one run makes apart from another's. */
const calls = (run: string, batchId: () => string): readonly (readonly [string, string[]])[] => [
  ['issue', ['dev.pem', '--profile', 'tls-client', '--out', `out-${run}`, '--data', 'local']],
  ['revoke', ['--device', 'dev', '--data', 'local', '--dry-run']],
  ['audit list', ['--data', 'local']],
  ['audit verify', ['--data', 'local']],
  ['ca init', [`more-${run}`, '--data', 'local']],
  ['ca show', ['--data', 'local']],
  ['ca root', ['--data', `root-${run}`, '--path-length', '2']],
  [
    'ca issue',
    [
      ...[`oem-${run}`, '--under', 'root', '--parent-data', `root-${run}`, '--path-length', '1'],
      ...['--data', 'local'],
    ],
  ],
  ['ca renew', [`oem-${run}`, '--parent-data', `root-${run}`, '--data', 'local']],
  ['ca cross', [`oem-${run}`, '--under', 'root', '--data', 'local', '--path-length', '0']],
  ['ca rekey', [`more-${run}`, '--as', `again-${run}`, '--data', 'local']],
  ['ca request', [`asked-${run}`, '--data', 'local', '--out', `${run}.csr`]],
  ['ca sign', [`${run}.csr`, '--under', 'root', '--data', `root-${run}`, '--out', `${run}.chain`]],
  ['ca complete', [`asked-${run}`, '--chain', `${run}.chain`, '--data', 'local']],
  ['ca revoke', [`more-${run}`, '--reason', 'superseded', '--data', 'local']],
  ['ca revoked', ['root', '--data', 'local', '--out', `revoked-${run}.json`]],
  ['ca export', [`public-${run}`, '--data', 'local']],
  ['ca crl', ['root', '--data', `root-${run}`, '--out', `root-${run}.crl`]],
  ['crl import', [`root-${run}.crl`, '--as', `root-${run}`, '--data', 'local']],
  ['ca compromise', ['issuing', '--no-reissue', '--dry-run', '--data', 'data']],
  [
    'ca import',
    [
      ...[`taken-${run}`, '--data', 'local', '--key', 'oem/ca/line/key.pem'],
      ...['--chain', 'oem/ca/line/chain.pem'],
      ...['--key-passphrase-file', 'oem/ca/development-passphrase'],
    ],
  ],
  [
    'ceremony new',
    [
      `root-${run}.yml`,
      '--participant',
      'eve=administrator:eve.pub',
      '--participant',
      'amy=witness:amy.pub',
      '--approvals',
      '1',
      '--steps',
      'steps.yml',
    ],
  ],
  [
    'ca delegate',
    [
      ...['dev.pem', '--issuer', 'issuing', '--profile', 'ocsp-responder'],
      ...['--data', 'local', '--out', `responder-${run}.pem`],
    ],
  ],
  ['ceremony check', [`root-${run}.yml`]],
  ['ceremony approve', [`root-${run}.yml`, '--key', 'eve.key', '--passphrase-file', 'eve.pass']],
  ['inspect', ['dev.pem']],
  ['verify', ['data/ca/issuing/certificate.pem', '--data', 'data']],
  ['ceremony run', [`root-${run}.yml`, '--data', 'local', '--dry-run']],
  [
    'ceremony witness',
    ['done/transcript.json', '--key', 'amy.key', '--passphrase-file', 'eve.pass'],
  ],
  ['ceremony verify', ['done/transcript.json', '--trust-key', 'eve.pub', '--trust-key', 'amy.pub']],
  ['crl build', ['issuing', '--data', 'local']],
  // Beside a server that has the folder.
  ['crl show', ['--data', 'data']],
  ['crl fetch', ['issuing', '--data', 'local', '--out', `${run}.crl`]],
  ['backup', [`copy-${run}`, '--data', 'local']],
  ['restore', [`copy-${run}`, '--data', `restored-${run}`]],
  ['verify-store', ['--data', `restored-${run}`]],
  ['demo', ['20', '--data', 'local']],
  ['bench', ['--requests', '100', '--warm-up', '10', '--limit-seconds', '1', '--data', 'local']],
  [
    'bench authority',
    [...['--entries', '1000', '--certificates', '500'], ...['--rounds', '1', '--seconds', '0.1']],
  ],
  ['plan', ['--per-day', '10000000', '--bench', 'bench.json']],
  ['fleet keys', ['--out', `keys-${run}`]],
  ['profile check', [`${run}.yaml`]],
  ['profile add', [`${run}.yaml`]],
  ['profile list', []],
  ['tenant create', [`acme-${run}`]],
  ['order create', [`order-${run}`, '--profile', run, '--quota', '10']],
  ['device import', [`order-${run}`, `${run}.csv`]],
  ['order show', [`order-${run}`]],
  ['order list', []],
  ['calendar', []],
  ['submit', [`${run}.ndjson`, '--order', `order-${run}`]],
  ['watch', [batchId()]],
  ['fetch', [batchId(), '--out', `fetched-${run}/`]],
  ['mass reissue', [`more-${run}`, '--order', `order-${run}`, ...toIssuing(run), '--yes']],
  ['mass watch', [`more-${run}`]],
  ['mass devices', [`more-${run}`]],
  ['mass results', [`more-${run}`]],
  ['mass renew', [`new-${run}`, '--order', `order-${run}`, ...toIssuing(run), '--yes']],
  ['mass revoke', [`no-${run}`, '--order', `order-${run}`, '--rate', '0.01', '--yes']],
  ['mass list', []],
  ['mass show', [`no-${run}`]],
  ['mass pause', [`no-${run}`]],
  ['mass resume', [`no-${run}`]],
  ['mass cancel', [`no-${run}`]],
  ['device show', [`${run}-0`]],
  ['cancel', [batchId()]],
  ['dead-letters list', [batchId()]],
  ['dead-letters retry', [batchId(), '--all']],
  ['dead-letters drop', [batchId(), '--all']],
  ['order close', [`order-${run}`]],
];

/** Those that need the servers of a fleet: specs of a fleet type them (commands, attacker, settle-dead-letters). */
const seenInFleet = [
  'dlq drop',
  'dlq list',
  'dlq retry',
  'fleet bench',
  'fleet init',
  'fleet lag',
  'fleet reconcile',
  'fleet verify',
  'fleet restored',
  'migrate',
];

/** What the test of the documents types, and sees the plain output of; no other command here needs it. */
const seenInDocs = [
  ...['demo', 'bench', 'issue', 'inspect', 'verify', 'backup', 'restore', 'verify-store', 'plan'],
  ...['ca show', 'ca export', 'ca renew', 'ca cross', 'ca import', 'ca delegate', 'crl import'],
  ...['profile check', 'profile list', 'calendar', 'watch', 'fetch'],
];

/** Of each kind one that starts and ends as a reader's does, and those that start threads or a server. */
const ownProcess = [
  ...['issue', 'demo', 'bench', 'bench authority', 'backup', 'ca init', 'crl build', 'inspect'],
  ...['ceremony run', 'submit', 'fetch', 'mass reissue', 'order create', 'audit verify'],
];

const aFleetBench = {
  issued: 1,
  services: [{ name: 'validate', cpuMicroseconds: 90, maxRssBytes: 200e6 }],
  appendedBytes: { 'certmill.certificates.issued.v1.bulk': 1_200 },
  machine: { cores: 2, model: 'a machine' },
};

/** In `done`: what `ceremony witness` and `ceremony verify` look at. */
async function aCeremonyThatIsDone(work: WorkFolder): Promise<void> {
  await using certmill = openCertmill({ cwd: work.path });
  const type = async (...args: string[]): Promise<void> => {
    const { exitCode, stderr } = await certmill.type('ceremony', ...args);
    expect([exitCode, exitCode === 0 ? '' : stderr]).toEqual([0, '']);
  };
  const eve = 'eve=administrator:eve.pub';
  const key = ['--key', 'eve.key', '--passphrase-file', 'eve.pass'];
  const few = ['--approvals', '1', '--witnesses', '1', '--steps', 'steps.yml'];
  const auditor = 'amy=witness+auditor:amy.pub';
  await type('new', 'done.yml', '--participant', eve, '--participant', auditor, ...few);
  await type('approve', 'done.yml', ...key);
  const approval = ['--approval', 'done.yml.eve.approval.json'];
  await type('run', 'done.yml', '--data', 'vault', '--allow-network', ...approval);
  const [folder = ''] = await readdir(work.at('vault/ceremonies'));
  await rename(work.at(`vault/ceremonies/${folder}`), work.at('done'));
}

describe('the output of every command', () => {
  let work: WorkFolder;
  let server: RunningServer;

  beforeAll(async () => {
    work = await aWorkFolder();
    server = await startServer(work);
    await writeFile(work.at('dev.pem'), aCsr('dev'));
    const line = await runCertmill(['ca', 'init', 'line', '--data', 'oem'], { cwd: work.path });
    expect([line.exitCode, line.exitCode === 0 ? '' : line.stderr]).toEqual([0, '']);
    await writeFile(work.at('bench.json'), JSON.stringify(aFleetBench));
    await writeFile(work.at('eve.pass'), 'four words of eve\n');
    await writeFile(work.at('steps.yml'), '- do: adopt-quorum\n');
    for (const name of ['eve', 'amy']) {
      const key = ['-in', work.at(`${name}.key`), '-passin', `file:${work.at('eve.pass')}`];
      openssl(
        'genpkey',
        '-algorithm',
        'ed25519',
        '-aes-256-cbc',
        '-pass',
        key[3]!,
        '-out',
        key[1]!,
      );
      openssl('pkey', ...key, '-pubout', '-out', work.at(`${name}.pub`));
    }
    await aCeremonyThatIsDone(work);
    for (const run of ['json', 'plain']) {
      await writeFile(
        work.at(`${run}.yaml`),
        builtInProfileText('tls-client').replace(/^name: .*$/m, `name: ${run}`),
      );
      await writeFile(work.at(`${run}.csv`), `deviceId\n${run}-0\n${run}-1\n`);
      await writeFile(work.at(`${run}.ndjson`), ndjsonOf(csrsOf(2, run)));
      await mkdir(work.at(`fetched-${run}`));
    }
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await work[Symbol.asyncDispose]();
  });

  it('is seen in the documents where it is not here', () => {
    const folder = join(root, 'docs');
    const names = readdirSync(folder).filter((name) => name.endsWith('.md'));
    const files = [join(root, 'README.md'), ...names.map((name) => join(folder, name))];
    const typed = files.flatMap((file) => fencedCommands(readFileSync(file, 'utf8'))).join('\n');
    for (const path of seenInDocs) {
      expect(typed).toMatch(new RegExp(`(?:certmill|npm run) ${path}(?: |$)`, 'm'));
    }
  });

  const here = () => ({
    cwd: work.path,
    env: { CERTMILL_SERVER: server.url, CERTMILL_API_KEY: server.key ?? '' },
  });

  it('is tested for every command that has --json', () => {
    const withJson = leaves
      .filter(({ help, path }) => help.includes('--json') && !seenInFleet.includes(path))
      .map(({ path }) => path);
    expect(
      calls('', () => '')
        .map(([path]) => path)
        .sort(),
    ).toEqual(withJson.sort());
  });

  it('is one JSON object with --json', async () => {
    await using certmill = openCertmill(here());
    let batchId = '';
    for (const [i] of calls('', () => '').entries()) {
      const [path, args] = calls('json', () => batchId)[i]!;
      const words = [...path.split(' '), ...args, '--json'];
      const { exitCode, stdout, stderr } = await (ownProcess.includes(path)
        ? runCertmill(words, here())
        : certmill.type(...words));
      expect([path, exitCode, exitCode === 0 ? '' : stderr]).toEqual([path, 0, '']);
      expect(stdout.endsWith('}\n')).toBe(true);
      const value = JSON.parse(stdout) as { readonly batchId?: string };
      if (path === 'submit') batchId = value.batchId ?? '';
    }
  });

  it('does not take a ceremony for proved where nobody in it is known', async () => {
    await using certmill = openCertmill(here());
    const key = ['--key', 'amy.key', '--passphrase-file', 'eve.pass'];
    await certmill.type('ceremony', 'witness', 'done/transcript.json', ...key);
    const verify = (...options: string[]) =>
      certmill.type('ceremony', 'verify', 'done/transcript.json', ...options);
    const unknown = await verify();
    expect([unknown.exitCode, unknown.stdout]).toEqual([2, expect.stringMatching(/^NOT PROVED: /)]);
    expect(unknown.stdout).not.toContain('sound');
    const json = await verify('--json');
    expect([json.exitCode, JSON.parse(json.stdout)]).toMatchObject([2, { areTrusted: false }]);
    const asked = await verify('--unproved');
    expect([asked.exitCode, asked.stdout]).toEqual([0, unknown.stdout]);
    const known = await verify('--trust-key', 'eve.pub', '--trust-key', 'amy.pub');
    expect([known.exitCode, known.stdout]).toEqual([0, expect.stringMatching(/ is sound$/m)]);
  });

  it('has no escape codes away from a terminal', async () => {
    await using certmill = openCertmill(here());
    let batchId = '';
    for (const [i] of calls('', () => '').entries()) {
      const [path, args] = calls('plain', () => batchId)[i]!;
      if (seenInDocs.includes(path)) continue;
      const { exitCode, stdout, stderr } = await certmill.type(...path.split(' '), ...args);
      expect([path, exitCode, exitCode === 0 ? '' : stderr]).toEqual([path, 0, '']);
      expect(stdout).not.toBe('');
      expect(stdout + stderr).not.toContain('\u001B');
      if (path === 'submit') batchId = /^batch (\w+):/m.exec(stdout)?.[1] ?? '';
    }
  });
});
