import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { CertmillError } from '@certmill/domain';
import type { LoadTarget } from './target.js';

const certmill = join(import.meta.dirname, '../../apps/cli/bin/certmill.mjs');
const startTimeoutMs = 60_000;
const stopTimeoutMs = 60_000;

type Server = ChildProcessByStdio<null, Readable, Readable>;

/** `certmill serve` as it comes, on a data folder that is removed at the end. */
export async function startStandalone(): Promise<LoadTarget> {
  const folder = await mkdtemp(join(tmpdir(), 'certmill-load-'));
  // By its first line, which has the flags that it runs with.
  const child: Server = spawn(certmill, ['serve', '--data', join(folder, 'data'), '--port', '0'], {
    cwd: folder,
    env: {
      PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`,
      HOME: process.env['HOME'] ?? '',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = async (): Promise<void> => {
    await end(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const { url, key } = await said(child);
    return {
      kind: 'server',
      url,
      key,
      description: 'certmill serve, all roles in one process, in its default configuration',
      processes: [{ name: 'serve', metricsUrl: `${url}/metrics` }],
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The address and the first credential, from what the start prints. */
function said(child: Server): Promise<{ url: string; key: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ url: string; key: string }>();
  let output = '';
  let errors = '';
  const failed = (what: string): void =>
    reject(new CertmillError('FAULT_PROCESSING', `the server ${what}: ${errors.trim()}`));
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    const url = /serves at (\S+)/.exec(output)?.[1];
    const key = /^ {2}(cm_\S+)$/m.exec(output)?.[1];
    if (url !== undefined && key !== undefined) resolve({ url, key });
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-2_000);
  });
  child.on('error', () => failed('cannot be started'));
  child.on('exit', () => failed('ended'));
  const timer = setTimeout(() => failed('did not start in time'), startTimeoutMs);
  return promise.finally(() => clearTimeout(timer));
}

async function end(child: Server): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
  await exited;
  clearTimeout(timer);
}
