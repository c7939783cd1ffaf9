import { hash } from 'node:crypto';
import type { Command } from 'commander';
import { pinnedBytes } from '../read-input.js';

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

/** Everything that decides what a command does: files as they are now, whatever becomes of them. */
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
        ? { sha256: hash('sha256', await pinnedBytes(value), 'hex') }
        : value;
  }
  return parameters;
}

/** The data folders that a command works in: `--data`, and those of the options named. */
export function foldersOf(command: Command, options: readonly string[] = []): ReadonlySet<string> {
  return new Set(foldersByOption(command, options).values());
}

/** The same by the option that names each. */
export function foldersByOption(
  command: Command,
  options: readonly string[] = [],
): ReadonlyMap<string, string> {
  const given = command.opts<Record<string, unknown>>();
  const named = ['data', ...options].map((name) => [name, given[name]] as const);
  return new Map(
    named.flatMap(([name, folder]) => (typeof folder === 'string' ? [[name, folder]] : [])),
  );
}

/** With those above it, without `certmill`: `ca issue`. */
export function commandNameOf(command: Command): string {
  const above = command.parent;
  const isBelowGroup = above !== null && above.parent !== null;
  return isBelowGroup ? `${commandNameOf(above)} ${command.name()}` : command.name();
}
