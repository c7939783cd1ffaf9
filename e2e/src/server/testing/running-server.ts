import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { csrsOf, ndjsonOf, type DeviceCsr } from '../../testing/a-csr.js';
import { startCertmill, type Ended } from '../../cli/testing/run-certmill.js';
import type { WorkFolder } from '../../cli/testing/work-folder.js';

/** Killed where a test leaves it running. */
export interface RunningServer extends AsyncDisposable {
  readonly url: string;
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves to the first match in stderr. */
  notes(pattern: RegExp): Promise<RegExpExecArray>;
  /** The first credential, where this start made it. */
  readonly key: string | undefined;
  /** SIGTERM, and what the process ended with. */
  stop(): Promise<Ended>;
}

/** `certmill serve` in a process of its own, on any free port; resolves once it says its url. */
export async function startServer(
  work: WorkFolder,
  ...options: readonly string[]
): Promise<RunningServer> {
  const running = startCertmill(['serve', '--data', 'data', '--port', '0', ...options], {
    cwd: work.path,
  });
  const [, url = ''] = await running.says(/serves at (\S+)$/m);
  // The hint is the last thing that a start says: the credential, where there is one, is before it.
  const [, key] = await running.says(/(?:^ {2}(cm_\S+)\n)?^OpenAPI at/m);
  return {
    url,
    key,
    child: running.child,
    ended: running.ended,
    notes: (pattern) => running.notes(pattern),
    stop() {
      running.child.kill('SIGTERM');
      return running.ended;
    },
    async [Symbol.asyncDispose]() {
      running.child.kill('SIGKILL');
      await running.ended;
    },
  };
}

export class Answer {
  readonly status: number;
  readonly location: string;
  readonly body: string;

  constructor(status: number, location: string, body: string) {
    this.status = status;
    this.location = location;
    this.body = body;
  }

  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- as a cast
  json<T = Record<string, unknown>>(): T {
    return JSON.parse(this.body) as T;
  }
}

export type Curl = (method: string, path: string, ...options: readonly string[]) => Promise<Answer>;

const execute = promisify(execFile);
const maxBuffer = 512 << 20;

/** The real curl against a server, with an API key where one is given. */
export function curlAt(url: string, key?: string, cwd?: string): Curl {
  return async (method, path, ...options) => {
    const told = '\n%{http_code} %header{location}';
    const args = ['-sS', '-X', method, '-w', told, ...bearer(key), ...options, url + path];
    const { stdout } = await execute('curl', args, { maxBuffer, cwd: cwd ?? process.cwd() });
    const end = stdout.lastIndexOf('\n');
    const [status = '', location = ''] = stdout.slice(end + 1).split(' ');
    return new Answer(Number(status), location, stdout.slice(0, end));
  };
}

/** An upload by curl whose lines are still being written; the caller ends or kills it. */
export function startUpload(
  url: string,
  key: string,
  path: string,
  idempotencyKey: string,
): { readonly child: ChildProcess; write(csrs: readonly DeviceCsr[]): void } {
  const child = spawn(
    'curl',
    ['-sS', '-X', 'POST', '-T', '-', ...bearer(key), ...ndjsonUpload(idempotencyKey), url + path],
    { stdio: ['pipe', 'ignore', 'ignore'] },
  );
  // It ends when curl is killed in the middle, which is what the caller wants.
  child.stdin.on('error', () => undefined);
  return { child, write: (csrs) => void child.stdin.write(ndjsonOf(csrs)) };
}

export const ndjsonUpload = (idempotencyKey: string): string[] => [
  '-H',
  'content-type: application/x-ndjson',
  '-H',
  `idempotency-key: ${idempotencyKey}`,
];

export const json = (body: unknown): string[] => [
  '-H',
  'content-type: application/json',
  '-d',
  JSON.stringify(body),
];

export const openOrder = (orderId: string, overrides: Record<string, unknown> = {}): string[] =>
  json({
    orderId,
    profile: 'tls-client',
    quota: 10_000,
    requiresAllowList: false,
    expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
    ...overrides,
  });

export async function ndjsonFile(
  work: WorkFolder,
  name: string,
  count: number,
): Promise<readonly DeviceCsr[]> {
  const csrs = csrsOf(count, name);
  await writeFile(work.at(name), ndjsonOf(csrs));
  return csrs;
}

function bearer(key: string | undefined): string[] {
  return key === undefined ? [] : ['-H', `authorization: Bearer ${key}`];
}
