import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { makeRunFolder } from './run-folder.js';
import { ServerProcess, type ServerProcessOptions } from './server-process.js';
import { until } from './until.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'certmill-processes-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

function aServer(options: Partial<ServerProcessOptions> = {}): Promise<ServerProcess> {
  return ServerProcess.start({
    name: 'the test server',
    command: 'sh',
    args: ['-c', 'echo up; exec sleep 600'],
    logFile: join(folder, 'log'),
    isReady: async ({ written }) => (await written()) === 'up\n',
    readyWithinMs: 60_000,
    fault: 'FAULT_BUS_DOWN',
    ...options,
  });
}

/** R, S, T (stopped), Z; undefined when it is gone. */
function stateOf(pid: number): string | undefined {
  try {
    return / (?<state>[A-Z]) [^)]*$/.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.groups?.[
      'state'
    ];
  } catch {
    return undefined;
  }
}

const isGone = (pid: number): boolean => [undefined, 'Z'].includes(stateOf(pid));

test('the pid is the command itself, and stop ends it', async () => {
  const server = await aServer();
  expect(readFileSync(`/proc/${server.pid}/comm`, 'latin1')).toBe('sleep\n');
  await server.stop();
  expect(server.isRunning).toBe(false);
  expect(isGone(server.pid)).toBe(true);
  await server.stop();
  await server.kill();
});

test('a server that is paused can be resumed, stopped and killed', async () => {
  const server = await aServer();
  await server.pause();
  expect(stateOf(server.pid)).toBe('T');
  server.resume();
  expect(await until(() => stateOf(server.pid) === 'S', 60_000)).toBe(true);
  await server.pause();
  await server.stop();
  const other = await aServer();
  await other.pause();
  await other.kill();
  expect([server, other].map(({ pid }) => isGone(pid))).toEqual([true, true]);
});

test('one that ends at its start is told with what it wrote', async () => {
  const args = ['-c', 'echo the port is taken >&2; exit 1'];
  await expect(aServer({ args, isReady: () => Promise.resolve(false) })).rejects.toMatchObject({
    code: 'FAULT_BUS_DOWN',
    message: 'the test server ended at its start',
    cause: expect.stringContaining('the port is taken') as string,
  });
});

test('one that does not answer in time is killed', async () => {
  let seen = 0;
  const isReady: ServerProcessOptions['isReady'] = ({ pid }) => {
    seen = pid;
    return Promise.reject(new Error('refused'));
  };
  await expect(aServer({ isReady, readyWithinMs: 100 })).rejects.toMatchObject({
    message: 'the test server did not answer in time',
  });
  expect(isGone(seen)).toBe(true);
});

/** A process that starts one server and says the server's pid and its own folder. */
const owner = `
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeRunFolder } from './run-folder.js';
import { ServerProcess } from './server-process.js';
const folder = await makeRunFolder();
const server = await ServerProcess.start({
  name: 'a', command: 'sleep', args: ['600'], logFile: join(folder, 'log'),
  // Before, it is the guard, which may not have told the kernel yet.
  isReady: async ({ pid }) => readFileSync('/proc/' + pid + '/comm', 'latin1') === 'sleep\\n',
  readyWithinMs: 60_000, fault: 'FAULT_BUS_DOWN',
});
if (process.argv[1] === 'pause') await server.pause();
console.log(server.pid, folder);
setInterval(() => undefined, 1000);
`;

test.each(['run', 'pause'])(
  'servers do not outlive a parent that is killed, and its data are swept (%s)',
  async (mode) => {
    const parent = spawn(process.execPath, ['--input-type=module', '-e', owner, mode], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(createInterface(parent.stdout), 'line')) as [string];
    const [pid, data] = line.split(' ') as [string, string];
    expect(isGone(Number(pid))).toBe(false);
    const own = await makeRunFolder();
    expect([data, own].map((path) => existsSync(path))).toEqual([true, true]);

    parent.kill('SIGKILL');
    await once(parent, 'exit');
    expect(await until(() => isGone(Number(pid)), 60_000)).toBe(true);
    const next = await makeRunFolder();
    expect([data, own, next].map((path) => existsSync(path))).toEqual([false, true, true]);
    for (const path of [own, next]) rmSync(path, { recursive: true });
  },
);

test('data of a pid that was given to another process are swept', async () => {
  const stale = join(tmpdir(), `certmill-native-${hostname()}-${process.pid}-1-abcdef`);
  mkdirSync(stale);
  const folderOfThis = await makeRunFolder();
  expect(existsSync(stale)).toBe(false);
  rmSync(folderOfThis, { recursive: true });
});
