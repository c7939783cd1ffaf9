import { hash } from 'node:crypto';
import type { Command } from 'commander';
import { readBytes } from '../read-input.js';

/** Say how and where, and not what is done. */
const circumstances: readonly string[] = [
  ...['json', 'propose', 'approval', 'data', 'out', 'yes'],
  ...['keyPassphraseFile', 'parentPassphraseFile'],
  ...['passphrase', 'custodianKey', 'share'],
];

/** What decides what a command does. */
export interface CommandParameters {
  /** Arguments and options that name files: the SHA-256 of their content stands for them. */
  readonly files?: readonly string[];
  /** Options that say how and where, beside those that do everywhere. */
  readonly circumstances?: readonly string[];
}

/** Everything that decides what a command does. */
export async function parametersOf(
  command: Command,
  { files = [], circumstances: own = [] }: CommandParameters,
): Promise<Readonly<Record<string, unknown>>> {
  const named = command.registeredArguments.map(
    (argument, index) => [argument.name(), command.processedArgs[index] as unknown] as const,
  );
  const options = Object.entries(command.opts<Record<string, unknown>>());
  const parameters: Record<string, unknown> = { command: command.name() };
  for (const [name, value] of [...named, ...options]) {
    if (value === undefined || circumstances.includes(name) || own.includes(name)) continue;
    parameters[name] =
      files.includes(name) && typeof value === 'string'
        ? { sha256: hash('sha256', await readBytes(value), 'hex') }
        : value;
  }
  return parameters;
}

/** The data folders that a command works in: `--data`, and those of the options named. */
export function foldersOf(command: Command, options: readonly string[] = []): ReadonlySet<string> {
  const given = command.opts<Record<string, unknown>>();
  const folders = ['data', ...options].map((name) => given[name]);
  return new Set(folders.filter((name) => typeof name === 'string'));
}

/** With those above it, without `certmill`: `ca issue`. */
export function commandNameOf(command: Command): string {
  const above = command.parent;
  const isBelowGroup = above !== null && above.parent !== null;
  return isBelowGroup ? `${commandNameOf(above)} ${command.name()}` : command.name();
}
