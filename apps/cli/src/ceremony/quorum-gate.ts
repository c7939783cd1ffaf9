import { hash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { CommanderError, type Command } from 'commander';
import { CertmillError } from '@certmill/domain';
import {
  newOperationId,
  parseApproval,
  readQuorumPolicy,
  requireApproval,
  type Approval,
  type Operation,
  type OperationKind,
  type Quorum,
} from '@certmill/trust/ceremony';
import type { Terminal } from '../terminal/terminal.js';
import { readBytes, readText } from './ceremony-inputs.js';

/** A command that needs a quorum where its data folder asks for one. */
export interface SensitiveCommand {
  readonly kind: Exclude<OperationKind, 'ceremony'>;
  /** Arguments and options that name files: their content is approved, not their name. */
  readonly files?: readonly string[];
  /** Options that name data folders beside `data`, whose quorum is asked as well. */
  readonly folders?: readonly string[];
  /** Whether it is sensitive with these options; absent: always. */
  isSensitive?(options: Readonly<Record<string, unknown>>): boolean;
}

/** Say how and where, and not what is done. */
const circumstances: readonly string[] = [
  ...['json', 'propose', 'approval', 'data', 'out', 'yes'],
  ...['keyPassphraseFile', 'parentPassphraseFile'],
];

/**
 * Puts a sensitive command under the quorum of its data folder (`ca/quorum.json`). Without one nothing
 * changes. With one, `--propose FILE` writes down what would be done, for `certmill ceremony approve`,
 * and the command runs with as many `--approval FILE` as are asked for.
 */
export function guardWithQuorum(
  terminal: Terminal,
  command: Command,
  sensitive: SensitiveCommand,
): Command {
  return command
    .option(
      '--approval <file>',
      'approval of the quorum, where one is asked for; repeat it',
      collect,
      [],
    )
    .option('--propose <file>', 'write down what would be done, to be approved, and stop')
    .hook('preAction', async () => demandQuorum(terminal, command, sensitive));
}

interface GateOptions {
  readonly data: string;
  readonly approval: readonly string[];
  readonly propose?: string;
}

async function demandQuorum(
  terminal: Terminal,
  command: Command,
  sensitive: SensitiveCommand,
): Promise<void> {
  const options = command.opts<GateOptions & Record<string, unknown>>();
  if (options.propose !== undefined) {
    const parameters = await parametersOf(command, sensitive);
    await propose(terminal, options.propose, {
      kind: sensitive.kind,
      id: newOperationId(),
      parameters,
    });
    return;
  }
  if (sensitive.isSensitive?.(options) === false) return;
  const folders = [options.data, ...(sensitive.folders ?? []).map((name) => options[name])];
  for (const folder of new Set(folders.filter((name) => typeof name === 'string'))) {
    const policy = await readQuorumPolicy(folder);
    if (policy === undefined) continue;
    const approvals = await Promise.all(options.approval.map(readApproval));
    const id = approvals[0]?.operation.id;
    if (id === undefined) throw notApproved(policy, folder);
    const parameters = await parametersOf(command, sensitive);
    await requireApproval({ kind: sensitive.kind, id, parameters }, approvals, policy, {
      dataDirectory: folder,
      nowMs: Date.now(),
      useId: newOperationId(),
    });
  }
}

function notApproved(policy: Quorum, folder: string): CertmillError {
  const names = policy.approvers.map(({ name }) => name).join(', ');
  return new CertmillError(
    'FORBIDDEN',
    `${folder} asks for ${String(policy.threshold)} approvals of ${names}: write it down with ` +
      "--propose FILE, have it approved with 'certmill ceremony approve FILE --as NAME --key KEY', and " +
      'give the same command with --approval FILE for each',
  );
}

/** Everything that decides what the command does. */
async function parametersOf(
  command: Command,
  { files = [] }: SensitiveCommand,
): Promise<Readonly<Record<string, unknown>>> {
  const named = command.registeredArguments.map(
    (argument, index) => [argument.name(), command.processedArgs[index] as unknown] as const,
  );
  const options = Object.entries(command.opts<Record<string, unknown>>());
  const parameters: Record<string, unknown> = { command: command.name() };
  for (const [name, value] of [...named, ...options]) {
    if (value === undefined || circumstances.includes(name)) continue;
    parameters[name] =
      files.includes(name) && typeof value === 'string'
        ? { sha256: hash('sha256', await readBytes(value), 'hex') }
        : value;
  }
  // As it stands in a file.
  return JSON.parse(JSON.stringify(parameters)) as Record<string, unknown>;
}

/** Ends the command: what it says is all it does. */
async function propose(terminal: Terminal, file: string, operation: Operation): Promise<never> {
  await writeFile(file, `${JSON.stringify(operation, undefined, 2)}\n`);
  terminal.report({ proposed: file, kind: operation.kind, id: operation.id }, [
    `wrote ${file}: ${operation.kind} ${operation.id}; nothing was done`,
    '',
    'next:',
    `  certmill ceremony approve ${file} --as NAME --key KEY`,
  ]);
  throw new CommanderError(0, 'certmill.proposed', 'proposed');
}

async function readApproval(file: string): Promise<Approval> {
  return parseApproval(await readText(file), file);
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
