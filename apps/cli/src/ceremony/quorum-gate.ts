import { realpath } from 'node:fs/promises';
import type { Command } from 'commander';
import { CertmillError, isCertmillError } from '@certmill/domain';
import {
  approvalsOf,
  assertNotEnded,
  endUse,
  holdUse,
  openApprovalFolder,
  operationHash,
  operationOf,
  readQuorumPolicy,
  requireApprovals,
  type Approval,
  type Operation,
  type OperationKind,
  type QuorumPolicy,
} from '@certmill/trust/approvals';
import { noteInFolder } from '@certmill/standalone/folder';
import { actorHere } from '../audit/actor-here.js';
import {
  commandNameOf,
  foldersByOption,
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

/** A data folder of the command that asks for a quorum. */
interface Installation {
  /** The option that names it. */
  readonly option: string;
  readonly folder: string;
  /** Where it is, whatever links lead there. */
  readonly place: string;
  readonly policy: QuorumPolicy;
}

/**
 * Puts a sensitive command under the quorum of its data folders (`ca/quorum.json`), of each its own. Without
 * one nothing changes. With one, `--propose FILE` writes down what would be done, for `certmill ceremony
 * approve`, and the command runs with as many `--approval FILE` as are asked for. They are good until it has
 * ended well: one that failed or was killed is typed again (ADR 0031). Of several that are typed with the
 * same ones, one runs; the others are refused (CONFLICT).
 */
export function guardWithQuorum(
  terminal: Terminal,
  command: Command,
  sensitive: SensitiveCommand,
): Command {
  let end = (): Promise<void> => Promise.resolve();
  return withApprovalOptions(command)
    .hook('preAction', async () => {
      end = await demandQuorum(terminal, command, sensitive);
    })
    .hook('postAction', () => end());
}

/** What is to be called once the command has ended. */
async function demandQuorum(
  terminal: Terminal,
  command: Command,
  sensitive: SensitiveCommand,
): Promise<() => Promise<void>> {
  const nothing = (): Promise<void> => Promise.resolve();
  const options = command.opts<ApprovalOptions & Record<string, unknown>>();
  if (sensitive.isInFolder?.(options) === false) return nothing;
  if (options.propose === undefined && sensitive.isSensitive?.(options) === false) return nothing;
  const installations = await installationsOf(command, sensitive);
  if (options.propose === undefined && installations.length === 0) return nothing;
  assertDistinct(installations);
  const wanted = await operationOfCommand(command, sensitive, installations);
  if (options.propose !== undefined) return propose(terminal, options.propose, operationOf(wanted));
  const given = await readApprovals(options.approval);
  const own = sensitive.isResumable === true ? approvalsOfOperation(wanted, given) : given;
  const operation = operationOf(wanted, own[0]?.operation.id);
  // Options may name one folder twice.
  const asked = [...new Map(installations.map((one) => [one.place, one])).values()];
  if (sensitive.isResumable !== true) await refuseIfDone(operation, asked);
  await useApprovals(operation, own, asked);
  for (const { folder } of asked) terminal.atEnd(await holdUse(folder, operation.id));
  // Another may have ended it in between.
  if (sensitive.isResumable !== true) await refuseIfDone(operation, asked);
  for (const place of asked) await noteApprovals(command, place, operation, own);
  if (sensitive.isResumable === true) return nothing;
  return async () => {
    for (const { folder } of asked) await endUse(folder, operation.id, Date.now());
  };
}

async function installationsOf(
  command: Command,
  { folders }: SensitiveCommand,
): Promise<readonly Installation[]> {
  const found: Installation[] = [];
  for (const [option, folder] of foldersByOption(command, folders)) {
    const policy = await readQuorumPolicy(folder);
    if (policy === undefined) continue;
    found.push({ option, folder, place: await realpath(folder), policy });
  }
  return found;
}

/**
 * CONFLICT where two folders are one installation by their ids: anyone can copy one, with people of their own
 * beside it, and who approves sees ids only.
 */
function assertDistinct(installations: readonly Installation[]): void {
  for (const { folder, place, policy } of installations) {
    const other = installations.find(
      (one) => one.place !== place && one.policy.installation === policy.installation,
    );
    if (other === undefined) continue;
    throw new CertmillError(
      'CONFLICT',
      `${folder} and ${other.folder} are two folders, and both claim to be the installation ` +
        `${policy.installation} (ca/quorum.json). Where one is an honest copy: take ca/quorum.json out of the ` +
        'copy, and give it a quorum of its own there by a ceremony with the step adopt-quorum',
    );
  }
}

/** The command with all that decides what it does, and where: in other folders it is another operation. */
async function operationOfCommand(
  command: Command,
  sensitive: SensitiveCommand,
  installations: readonly Installation[],
): Promise<Pick<Operation, 'kind' | 'parameters'>> {
  const parameters = await parametersOf(command, sensitive);
  if (installations.length === 0) return { kind: sensitive.kind, parameters };
  const where = installations.map(({ option, policy }) => [option, policy.installation]);
  return {
    kind: sensitive.kind,
    parameters: { ...parameters, installations: Object.fromEntries(where) as unknown },
  };
}

async function refuseIfDone(
  { id }: Operation,
  installations: readonly Installation[],
): Promise<void> {
  for (const { folder } of installations) await assertNotEnded(folder, id);
}

/** Its own use whenever it is typed: all or none of the folders have approved it. */
async function useApprovals(
  operation: Operation,
  approvals: readonly Approval[],
  installations: readonly Installation[],
): Promise<void> {
  const places = installations.map(({ folder, policy }) => ({
    quorum: policy,
    ledger: openApprovalFolder(folder),
  }));
  try {
    const use = { nowMs: Date.now(), useId: operation.id };
    await requireApprovals(operation, approvals, places, use);
  } catch (error) {
    if (!isCertmillError(error) || error.code !== 'APPROVAL_REQUIRED') throw error;
    const folders = installations.map(({ folder }) => folder).join(', ');
    throw new CertmillError('APPROVAL_REQUIRED', `${folders}: ${error.message}\n${howApproved}`);
  }
}

/** Of those given: a command that goes on with others has some for its steps. */
function approvalsOfOperation(
  wanted: Pick<Operation, 'kind' | 'parameters'>,
  given: readonly Approval[],
): readonly Approval[] {
  return given.filter(
    ({ operation: { id, sha256 } }) => operationHash(operationOf(wanted, id)) === sha256,
  );
}

function noteApprovals(
  command: Command,
  { folder, policy }: Installation,
  operation: Operation,
  approvals: readonly Approval[],
): Promise<void> {
  const approvers = approvalsOf(policy, approvals)
    .map(({ approver }) => approver)
    .join(', ');
  const detail = { operationId: operation.id, kind: operation.kind, approvers };
  return noteInFolder(folder, {
    actor: actorHere(commandNameOf(command)),
    action: 'approvals.used',
    detail: { ...detail, sha256: operationHash(operation) },
  });
}
