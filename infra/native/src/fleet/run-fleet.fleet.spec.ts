import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { once } from 'node:events';
import { repositoryFolder } from '../package-folder.js';
import { freePorts } from '../process/free-ports.js';
import { until } from '../process/until.js';
import { RunningFleet, survivorsOf } from './run-fleet.fixture.js';

const stopWithinMs = 60_000;
const fleets: RunningFleet[] = [];
let folder: string;
let port: string;
let statusPort: string;
/** The command that the fleet has told. */
let fetchesCrl = '';

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-run-fleet-'));
  [port = '', statusPort = ''] = (await freePorts(2)).map(String);
});

afterEach(async () => {
  for (const fleet of fleets.splice(0)) await fleet.interrupt();
  rmSync(folder, { recursive: true, force: true });
});

function run(...args: string[]): RunningFleet {
  const fleet = new RunningFleet(['--port', port, '--status-port', statusPort, ...args]);
  fleets.push(fleet);
  return fleet;
}

/** As if typed in the repository, with outputs in the folder of the test. */
function shell(command: string): string {
  const bin = join(repositoryFolder, 'node_modules/.bin');
  return execFileSync('sh', ['-ec', command.replace(/^npx /, '')], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: `${bin}:${process.env['PATH'] ?? ''}` },
  });
}

/** Types a command; a CRL is fetched again until it has the revocation, which takes some seconds. */
async function typed(command: string): Promise<string> {
  if (!command.startsWith('openssl crl ')) {
    if (command.startsWith('curl ')) fetchesCrl = command;
    // OpenSSL says there whether it believes the answer.
    return shell(command.startsWith('openssl ocsp ') ? `${command} 2>&1` : command);
  }
  let answer = '';
  const hasIt = (): boolean => {
    shell(fetchesCrl);
    answer = shell(command);
    return answer.includes('Key Compromise');
  };
  expect([await until(hasIt, 60_000), answer]).toEqual([true, expect.anything()]);
  return answer;
}

/** Files of the configuration's trust folder that hold a key. */
function keysOfCasNamedIn(configFile: string): readonly string[] {
  const config = JSON.parse(readFileSync(configFile, 'utf8')) as Record<string, unknown>;
  expect(Object.keys(config)).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/hopKeys|passphraseFile|issuers/)]),
  );
  const trust = String(config['trust']);
  const files = readdirSync(trust, { recursive: true, withFileTypes: true });
  return files
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => readFileSync(file, 'utf8').includes('PRIVATE KEY'));
}

/** What any sign has seen of logs of status changes, each in a folder of its own. */
function marksIn(fleetFolder: string): readonly string[] {
  const configs = readdirSync(fleetFolder).filter((name) => /^sign-.+\.json$/.test(name));
  const folders = configs.map((name) => {
    const text = readFileSync(join(fleetFolder, name), 'utf8');
    return String((JSON.parse(text) as Record<string, unknown>)['statusMarks']);
  });
  expect(new Set(folders).size).toBe(3);
  return folders.flatMap((each) => readdirSync(each));
}

test('starts, says what to do, starts again what dies; Ctrl-C ends every process', async () => {
  const fleet = run('--sign', '2');
  await fleet.says(/the fleet is (ready)/);
  expect(fleet.said).toContain(`API                   http://127.0.0.1:${port}, `);
  for (const [name, address] of [
    ['Kafka', '127.0.0.1:'],
    ['MongoDB', 'mongodb://'],
    ['Redis', 'redis://'],
  ] as const) {
    expect(fleet.said).toMatch(new RegExp(`^${name} +${address}`, 'm'));
  }
  const keyFile = await fleet.says(/^admin key +(\S+)$/m);
  expect(statSync(keyFile).mode & 0o777).toBe(0o600);
  expect(fleet.said).not.toContain(readFileSync(keyFile, 'utf8').trim());

  const commands = [...fleet.said.matchAll(/^ {2}((?:openssl|npx|curl) .+)$/gm)].map(
    ([, command = '']) => command,
  );
  expect(commands).toHaveLength(11);
  let batchId = 'BATCH_ID';
  const answers: string[] = [];
  for (const command of commands) {
    const answer = await typed(
      command.replace('BATCH_ID', batchId).replace('50000', '300 --warm-up 0'),
    );
    answers.push(answer);
    batchId = /^batch (\w+):/m.exec(answer)?.[1] ?? batchId;
  }
  expect(readdirSync(join(folder, 'certs'))).toContain('manifest.ndjson');
  const told = answers.find((answer) => answer.includes('Response verify OK'));
  expect(told).toMatch(/certificates\.pem: revoked\n(?:.+\n)+\s+Reason: keyCompromise/);
  expect(keysOfCasNamedIn(join(dirname(keyFile), 'status.json'))).toEqual([]);
  expect(marksIn(dirname(keyFile))).toContain('factory.0.json');
  expect(answers.at(-2)).toContain('waiting');
  expect(answers.at(-1)).toContain('sign-bulk-2');
  await fleet.says(/^([1-9][\d,]*) issued\/s \| waiting: validate \d+, sign \d+, publish \d+ \|/m);

  process.kill(fleet.pidOf(join(dirname(keyFile), 'sign-bulk.json')), 'SIGKILL');
  await fleet.says(/^(sign-bulk was killed): it is started again in 1 s$/m);
  await fleet.says(/was killed[^]*\| slots (6\/6) \| services 9\/9/);

  const seen = fleet.descendants();
  // Nine services, Kafka, the store, Redis.
  expect(seen.length).toBeGreaterThanOrEqual(12);
  const begun = performance.now();
  expect(await fleet.interrupt()).toBe(0);
  expect(performance.now() - begun).toBeLessThan(stopWithinMs);
  expect(survivorsOf(seen)).toEqual([]);
  expect(fleet.said).toMatch(/stopping: .+\nstopped\n$/);
  expect(existsSync(dirname(keyFile))).toBe(false);
});

test('Ctrl-C while it starts ends it and what it started; what is kept is kept', async () => {
  const fleet = run('--keep', join(folder, 'kept'));
  await fleet.says(/^servers: (Kafka)/m);
  await until(() => existsSync(join(folder, 'kept/trust')), 120_000);
  const seen = fleet.descendants();
  expect(seen.length).toBeGreaterThanOrEqual(3);
  expect(await fleet.interrupt()).toBe(130);
  expect(await until(() => survivorsOf(seen).length === 0, 60_000)).toBe(true);
  expect(readdirSync(join(folder, 'kept'))).toContain('passphrase');

  const again = run('--keep', join(folder, 'kept'));
  await again.says(/error CONFIG_INVALID: --keep: (\S+) is not empty/);
});

test('a port that is taken is named at once', async () => {
  const other = createServer().listen(Number(port), '127.0.0.1');
  await once(other, 'listening');
  const fleet = run();
  await fleet.says(/error CONFIG_INVALID: port (\d+) of 127.0.0.1 is taken/, 60_000);
  expect(fleet.said).not.toContain('starting servers');
  other.close();
});
