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
} from '@certmill/trust/approvals';
import type { UsedApprovals } from '@certmill/ports';
import { noteInFolder } from '@certmill/standalone/folder';
import { actorHere } from '../audit/actor-here.js';
import {
  commandNameOf,
  foldersOf,
  parametersOf,
  type CommandParameters,
} from '../audit/command-parameters.js';
import type { Terminal } from '../terminal/terminal.js';
import {
  howApproved,
  propose,
  readApprovals,
  withApprovalOptions,
  type ApprovalOptions,
} from './approval-options.js';

/** A command that needs a quorum where its data folder asks for one. */
export interface SensitiveCommand extends CommandParameters {
  readonly kind: Exclude<OperationKind, 'ceremony'>;
  /** Options that name data folders beside `data`, whose quorum is asked as well. */
  readonly folders?: readonly string[];
  /** Whether it is done in the data folder; absent: always. A server asks for its own quorum. */
  isInFolder?(options: Readonly<Record<string, unknown>>): boolean;
  /**
   * Typed again it goes on with what was approved: the same approvals are taken for the same again, and
   * those of other operations, which its steps need, are passed over here.
   */
  readonly isResumable?: true;
  /** Whether it is sensitive with these options; absent: always. */
  isSensitive?(options: Readonly<Record<string, unknown>>): boolean;
}

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
  for (const folder of foldersOf(command, sensitive.folders)) {
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
      const used = await gate.demand(wanted, use);
      if (used !== undefined) await noteApprovals(command, folder, used, use.approvals);
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

function noteApprovals(
  command: Command,
  folder: string,
  { operationId, kind, sha256 }: UsedApprovals,
  approvals: readonly Approval[],
): Promise<void> {
  const approvers = approvals.map(({ approver }) => approver).join(', ');
  const detail = { operationId, kind, sha256, approvers };
  return noteInFolder(folder, {
    actor: actorHere(commandNameOf(command)),
    action: 'approvals.used',
    detail,
  });
}
