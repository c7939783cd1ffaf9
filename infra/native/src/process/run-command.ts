import { once } from 'node:events';
import { CertmillError } from '@certmill/domain';
import { findCommand } from './find-command.js';
import { spawnGuarded } from './spawn-guarded.js';

export interface CommandOptions {
  /** What the command is for, as in "Kafka 4.3.1": for the message where it fails. */
  readonly purpose: string;
  /** What to install where the command is missing, as in "Maven (Debian: maven)". */
  readonly install: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly folder?: string;
}

const keptOutputLength = 4_000;

/** Runs a command to its end and returns what it wrote. CONFIG_INVALID where it is missing or fails. */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<string> {
  if (findCommand(command) === undefined) {
    throw new CertmillError(
      'CONFIG_INVALID',
      `${options.purpose} needs ${command}, which is not on the PATH: install ${options.install}`,
    );
  }
  const child = spawnGuarded(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: options.folder,
    env: { ...process.env, ...options.environment },
  });
  let output = '';
  let complaints = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  const status = await once(child, 'close').then(
    ([code]) => code as number | null,
    () => null,
  );
  if (status !== 0) {
    throw new CertmillError('CONFIG_INVALID', `${options.purpose}: ${command} failed`, {
      cause: `${output}\n${complaints}`.trim().slice(-keptOutputLength),
    });
  }
  return output;
}
