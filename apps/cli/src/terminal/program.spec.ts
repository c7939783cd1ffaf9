import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { builtInProfileText } from '@certmill/domain/profile-files';
import { certmillBin, runCertmill, startOnTerminal } from '../testing/run-certmill.js';

const serverCommands = [
  'submit',
  'watch',
  'fetch',
  'cancel',
  'dead-letters',
  'order',
  'device',
  'profile',
  'tenant',
];

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'certmill-cli-'))));
afterAll(() => rmSync(folder, { recursive: true }));

describe('the command line', () => {
  it('lists every command in its help, on stdout', async () => {
    const { exitCode, stdout, stderr } = await runCertmill(['--help']);
    expect([exitCode, stderr]).toEqual([0, '']);
    for (const word of serverCommands) expect(stdout).toMatch(new RegExp(`^  ${word} `, 'm'));
  });

  it.each([
    [['help'], /^Usage: certmill \[/],
    [['order', 'help', 'list'], /^Usage: certmill order list /],
    [['inspect', 'no-command', '--help'], /^Usage: certmill inspect /],
  ])('shows help for %j on stdout', async (args, usage) => {
    const { exitCode, stdout, stderr } = await runCertmill(args);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(usage);
  });

  it('tells its version', async () => {
    expect((await runCertmill(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [['order', 'list', '--serve', 'x'], /unknown option '--serve' \(Did you mean --server\?\)/],
    [['ordr'], /unknown command 'ordr' \(Did you mean order\?\)/],
    [['ocsp', '--help'], /unknown command 'ocsp'; see 'certmill --help'/],
    [['order', 'lst', '-h'], /unknown command 'lst' \(Did you mean list\?\); see 'certmill order /],
    [['help', 'ordr'], /unknown command 'ordr' \(Did you mean order\?\)/],
    [['order', 'create', 'x', '--profile', 'p'], /'--quota <number>' not specified/],
    [['order', 'create', 'x', '--profile', 'p', '--quota', '0'], /not a whole number above 0/],
    [['submit', '--order', 'x'], /missing required argument 'input'/],
    [['fetch', 'b', '--out', 'x', '--format', 'doc'], /Allowed choices are pem, der/],
  ])('refuses %j in one coded line that names the help', async (args, reason) => {
    const { exitCode, stdout, stderr } = await runCertmill(args);
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(reason);
    expect(stderr).toMatch(/^error USAGE: [^\n]*; see 'certmill[^']* --help'\n$/);
  });

  it('names every bad line of a profile', async () => {
    const file = join(folder, 'bad.yaml');
    writeFileSync(file, 'name: Not A Name\nvresion: 1\n');
    const { exitCode, stderr } = await runCertmill(['profile', 'check', file]);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^error PROFILE_INVALID: .*bad\.yaml:1: name/);
    expect(stderr).toMatch(/bad\.yaml:2: .*vresion/);
  });

  it('tells a good profile by the samples that it issued and linted', async () => {
    const file = join(folder, 'good.yaml');
    writeFileSync(file, builtInProfileText('tls-client'));
    const { exitCode, stdout, stderr } = await runCertmill(['profile', 'check', file, '--json']);
    expect([exitCode, stderr]).toEqual([0, '']);
    const checked = JSON.parse(stdout) as { name: string; hash: string; samples: string[] };
    expect(checked.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(checked.samples.length).toBeGreaterThan(0);
  });

  it('prints an error as one object with --json and nothing else on stdout', async () => {
    const { exitCode, stdout } = await runCertmill(['profile', 'check', '/nowhere', '--json']);
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'INVALID_INPUT', message: 'cannot read /nowhere' },
    });
  });

  it('shows where an error came from only when asked', async () => {
    const args = ['profile', 'check', '/nowhere'];
    expect((await runCertmill(args)).stderr).not.toContain('    at ');
    expect((await runCertmill(args, { CERTMILL_DEBUG: '1' })).stderr).toMatch(/ at [^]*ENOENT/);
  });

  it('uses colours only where they are forced without a terminal', async () => {
    const args = ['profile', 'check', '/nowhere'];
    expect((await runCertmill(args)).stderr).not.toContain('\u001B');
    expect((await runCertmill(args, { FORCE_COLOR: '1' })).stderr).toContain('\u001B[31m');
  });

  it('uses colours on a terminal, but not with NO_COLOR', async () => {
    const args = ['profile', 'check', '/nowhere'];
    const [plain, coloured] = await Promise.all([
      startOnTerminal(args, { NO_COLOR: '1' }).ended,
      startOnTerminal(args).ended,
    ]);
    expect(plain.stdout).toContain('error INVALID_INPUT');
    expect(plain.stdout).not.toContain('\u001B');
    expect(coloured.stdout).toContain('\u001B[31m');
  });

  it('ends quietly when its reader has gone', async () => {
    const child = spawn(process.execPath, [certmillBin, '--help'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
    const [exitCode] = (await once(child, 'close')) as [number];
    expect([exitCode, stderr]).toEqual([0, '']);
  });
});
