import { hash } from 'node:crypto';
import type { Command } from 'commander';
import { ApprovalRequired, CertmillError } from '@certmill/domain';
import {
  newOperationId,
  openApprovalFolder,
  openOperationGate,
  operationHash,
  readQuorumPolicy,
  type Approval,
  type Operation,
  type OperationKind,
} from '@certmill/trust/ceremony';
import type { Terminal } from '../terminal/terminal.js';
import {
  howApproved,
  propose,
  readApprovals,
  withApprovalOptions,
  type ApprovalOptions,
} from './approval-options.js';
import { readBytes } from '../read-input.js';

/** A command that needs a quorum where its data folder asks for one. */
export interface SensitiveCommand {
  readonly kind: Exclude<OperationKind, 'ceremony'>;
  /** Arguments and options that name files: their content is approved, not their name. */
  readonly files?: readonly string[];
  /** Options that name data folders beside `data`, whose quorum is asked as well. */
  readonly folders?: readonly string[];
  /** Whether it is done in the data folder; absent: always. A server asks for its own quorum. */
  isInFolder?(options: Readonly<Record<string, unknown>>): boolean;
  /** Options that say how and where, beside those that do of every command. */
  readonly circumstances?: readonly string[];
  /**
   * Typed again it goes on with what was approved: the same approvals are taken for the same again, and
   * those of other operations, which its steps need, are passed over here.
   */
  readonly isResumable?: true;
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
  return withApprovalOptions(command).hook('preAction', async () =>
    demandQuorum(terminal, command, sensitive),
  );
}

interface GateOptions extends ApprovalOptions {
  readonly data: string;
}

async function demandQuorum(
  terminal: Terminal,
  command: Command,
  sensitive: SensitiveCommand,
): Promise<void> {
  const options = command.opts<GateOptions & Record<string, unknown>>();
  if (sensitive.isInFolder?.(options) === false) return;
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
    const gate = await openOperationGate({
      policy: () => Promise.resolve(policy),
      ledger: openApprovalFolder(folder),
      clock: { nowMs: () => Date.now() },
    });
    const parameters = await parametersOf(command, sensitive);
    const wanted = { kind: sensitive.kind, parameters };
    const given = await readApprovals(options.approval);
    const use = sensitive.isResumable === true ? ownUse(wanted, given) : { approvals: given };
    try {
      await gate.demand(wanted, use);
    } catch (error) {
      if (!(error instanceof ApprovalRequired)) throw error;
      throw new CertmillError('APPROVAL_REQUIRED', `${folder}: ${error.message}\n${howApproved}`);
    }
  }
}

/** The approvals of this very operation: the same use whenever it is typed. */
function ownUse(
  { kind, parameters }: Pick<Operation, 'kind' | 'parameters'>,
  given: readonly Approval[],
): { readonly approvals: readonly Approval[]; readonly useId?: string } {
  const asInFile = JSON.parse(JSON.stringify(parameters)) as Operation['parameters'];
  const approvals = given.filter(
    ({ operation: { id, sha256 } }) => operationHash({ kind, id, parameters: asInFile }) === sha256,
  );
  const [first] = approvals;
  return first === undefined ? { approvals } : { approvals, useId: first.operation.id };
}

/** Everything that decides what the command does. */
async function parametersOf(
  command: Command,
  { files = [], circumstances: own = [] }: SensitiveCommand,
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
