import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

export const certmillBin = join(import.meta.dirname, '../../bin/certmill.mjs');

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves once stdout and stderr together hold the text. */
  shows(text: string): Promise<void>;
}

/** Nothing of the caller's settings, colours or keys. */
const cleanEnv = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '' };

/** Runs the real command in a process of its own, without a terminal. */
export function startCertmill(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  stdin = '',
): Running {
  return start(process.execPath, [certmillBin, ...args], env, stdin);
}

/** The same on a pseudo-terminal (util-linux `script`); everything comes out of stdout; keys go into stdin. */
export function startOnTerminal(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Running {
  const words = [process.execPath, certmillBin, ...args].map((word) => `'${word}'`);
  const terminalEnv = { TERM: 'xterm', ...env };
  return start('script', ['-qec', words.join(' '), '/dev/null'], terminalEnv, undefined);
}

export function runCertmill(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  stdin = '',
): Promise<Ended> {
  return startCertmill(args, env, stdin).ended;
}

function start(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  stdin: string | undefined,
): Running {
  const child = spawn(file, args, {
    env: { ...cleanEnv, ...env },
    stdio: 'pipe',
  });
  if (stdin !== undefined) child.stdin.end(stdin);
  const outputs = { stdout: '', stderr: '' };
  const listeners = new Set<() => void>();
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      outputs[name] += text;
      for (const listener of listeners) listener();
    });
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => resolve({ exitCode, ...outputs }));
  });
  return {
    child,
    ended,
    shows: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!(outputs.stdout + outputs.stderr).includes(text)) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        child.once('close', () => reject(new Error(`never shown: ${text}`)));
        look();
      }),
  };
}
