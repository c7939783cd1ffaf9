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
}

export interface RunOptions {
  readonly cwd?: string;
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

/** Nothing of the caller's settings. */
const cleanEnv = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '' };

/** Starts the real command in a process of its own, without a terminal. */
export function startCertmill(args: readonly string[], options: RunOptions = {}): Running {
  const child = spawn(process.execPath, [certmillBin, ...args], {
    env: { ...cleanEnv, ...options.env },
    stdio: 'pipe',
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  child.stdin.end(options.stdin ?? '');
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => resolve({ exitCode, stdout, stderr }));
  });
  const says = (pattern: RegExp): Promise<RegExpExecArray> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const match = pattern.exec(stdout);
        if (match !== null) resolve(match);
      };
      child.stdout.on('data', look);
      child.once('close', () => reject(new Error(`never said ${String(pattern)}: ${stderr}`)));
      look();
    });
  return { child, ended, says };
}

export function runCertmill(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  return startCertmill(args, options).ended;
}
