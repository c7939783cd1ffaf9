import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

const certmillBin = join(import.meta.dirname, '../../../../apps/cli/bin/certmill.mjs');

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves to the first match in stdout; rejects where the process ends without one. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  /** The same in stderr. */
  notes(pattern: RegExp): Promise<RegExpExecArray>;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly stdin?: string | Uint8Array;
  /** Nothing comes from stdin, and it does not end. */
  readonly isStdinOpen?: true;
  readonly env?: Readonly<Record<string, string>>;
}

/** Nothing of the caller's settings. */
export const cleanEnv = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '' };

/** Starts the real command in a process of its own, without a terminal. */
export function startCertmill(args: readonly string[], options: RunOptions = {}): Running {
  const child = spawn(process.execPath, [certmillBin, ...args], {
    env: { ...cleanEnv, ...options.env },
    stdio: 'pipe',
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  if (options.isStdinOpen !== true) child.stdin.end(options.stdin ?? '');
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => (said[name] += text));
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => resolve({ exitCode, ...said }));
  });
  const firstIn = (name: keyof typeof said, pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const match = pattern.exec(said[name]);
        if (match !== null) resolve(match);
      };
      child[name].on('data', look);
      child.once('close', () => reject(new Error(`never said ${String(pattern)}: ${said.stderr}`)));
      look();
    });
  return {
    child,
    ended,
    says: (pattern) => firstIn('stdout', pattern),
    notes: (pattern) => firstIn('stderr', pattern),
  };
}

export function runCertmill(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return startCertmill(args, options).ended;
}
