import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { aWorkFolder, type WorkFolder } from '../cli/testing/work-folder.js';
import { fencedCommands } from './testing/documented-commands.js';
import { openShell, type ShellSession } from './testing/shell-session.js';
import { walkedRunbooks } from './testing/walked-runbooks.js';

const root = join(import.meta.dirname, '../../..');

/** What the reader sees, by how a command begins; every other command just succeeds. */
const sees: Readonly<
  Record<(typeof walkedRunbooks)[number], readonly (readonly [string, RegExp])[]>
> = {
  'ceremony-root.md': [
    ['certmill ceremony check root.yaml', /^2 approvals, 1 witnesses, 2 shares open a split key$/m],
    ['certmill ceremony run root.yaml --data offline --dry-run', /rehearsed; nothing was changed/],
    ['certmill ceremony run root.yaml --data offline $approvals', /^the ceremony is done: /m],
    ['certmill ceremony witness', /^wendy signed the transcript: /m],
    [
      'certmill ceremony verify',
      /^3 steps, approved by alice, bob\nwitnesses wendy; [^]*^all of these keys are trusted$/m,
    ],
    ['openssl verify', /^offline\/ca\/root\/certificate\.pem: OK$/m],
    // No key.pem: it never was whole.
    [
      'ls offline/ca/root',
      /^ca-crl-number\.json\nca\.crl\ncertificate\.pem\nchain\.pem\nkey\.sealed\.json\n$/,
    ],
  ],
  'ceremony-issuer.md': [
    ['openssl req -in factory.csr.pem', /verify OK/],
    [
      'certmill ceremony check issuer.yaml',
      /^1\. sign a CA under root as factory\.csr\.pem asks, for 10y, path length 0\n {3}factory\.csr\.pem asks for O=Example, CN=Factory, with a key of type ec-p256 of SHA-256\n {3}(?:[0-9a-f]{4} ?){16}\n {3}it asks for basicConstraints .*: that decides nothing$/m,
    ],
    [
      'certmill ceremony approve issuer.yaml',
      /^ {3}factory\.csr\.pem asks for O=Example, CN=Factory/m,
    ],
    ['certmill ceremony run issuer.yaml --data offline $approvals', /^the ceremony is done: /m],
    [
      'certmill ceremony verify',
      /^2 steps, approved by bob, carol\n[^]*^all of these keys are trusted$/m,
    ],
    ['openssl verify', /^plant\/ca\/factory\/certificate\.pem: OK$/m],
    ['openssl crl', /verify OK/],
  ],
  'key-backup.md': [
    [
      'certmill ceremony verify',
      /^1 files are as recorded, 3 shares were handed out\n[^]*^all of these keys are trusted$/m,
    ],
  ],
  'key-restore.md': [
    [
      'certmill ceremony verify',
      /^2 steps, approved by alice, carol\n[^]*^all of these keys are trusted$/m,
    ],
    ['diff -r', /^$/],
  ],
  'key-destruction.md': [
    ['certmill ceremony check', /^1\. destroy the key of root: the second site is given up$/m],
    [
      'certmill ceremony verify',
      /^1 steps, approved by bob, carol\n[^]*^all of these keys are trusted$/m,
    ],
    ['ls second-site/ca/root', /^ca-crl-number\.json\nca\.crl\ncertificate\.pem\nchain\.pem\n/],
  ],
};

const hasNetwork = Object.values(networkInterfaces())
  .flat()
  .some((address) => address?.internal === false);

/** As it stands there; where the machine of the test has a network, it is a trial. */
const typed = (command: string): string =>
  hasNetwork
    ? command.replaceAll('certmill ceremony run ', 'certmill ceremony run --allow-network ')
    : command;

let work: WorkFolder;
let shell: ShellSession;
beforeAll(async () => {
  work = await aWorkFolder();
  const { PATH = '', HOME = '' } = process.env;
  shell = openShell(work.path, { PATH: `${join(root, 'node_modules/.bin')}:${PATH}`, HOME });
});
afterAll(async () => {
  await shell[Symbol.asyncDispose]();
  await work[Symbol.asyncDispose]();
});

describe.each(walkedRunbooks)('people who type what %s shows', (runbook) => {
  const text = readFileSync(join(root, 'docs/runbooks', runbook), 'utf8');
  const commands = fencedCommands(text);
  const expected = [...sees[runbook]];

  it.each(commands.map((command) => [command.split('\n')[0] ?? '', command]))(
    'get what it promises: %s',
    async (_, command) => {
      const [begin, promised = /^/] = expected[0] ?? [];
      const isPromised = begin !== undefined && command.startsWith(begin);
      if (isPromised) expected.shift();
      const { exitCode, stdout, stderr } = await shell.run(typed(command));
      expect([exitCode, exitCode === 0 ? '' : stderr]).toEqual([0, '']);
      if (isPromised) expect(stdout + (stdout === '' ? stderr : '')).toMatch(promised);
    },
  );

  it('and nothing that was promised is left out', () => {
    expect(expected).toEqual([]);
  });
});
