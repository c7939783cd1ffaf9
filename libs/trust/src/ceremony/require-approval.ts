import { CertmillError } from '@certmill/domain';
import type { ApprovalLedger, UsedApprovals } from '@certmill/ports';
import { type Approval, approvalsOf, checkQuorums, type Quorum } from './approval.js';
import { type Operation, operationHash } from './operation.js';

/** Somewhere that has to approve, and where what it approved is used up. */
export interface ApprovingPlace {
  readonly quorum: Quorum;
  readonly ledger: ApprovalLedger;
}

export interface ApprovalUse {
  readonly nowMs: number;
  /** What uses them: an operation that was killed may be gone on with by the same use only. */
  readonly useId: string;
}

/** `requireApprovals` of one place. */
export async function requireApproval(
  operation: Operation,
  approvals: readonly Approval[],
  quorum: Quorum,
  { ledger, ...use }: ApprovalUse & Pick<ApprovingPlace, 'ledger'>,
): Promise<UsedApprovals> {
  checkQuorums(operation, approvals, [quorum], use.nowMs);
  return usedUp(operation, approvals, ledger, use);
}

/**
 * Demands the quorum of every place for an operation, of each its own people, and then uses the approvals
 * up there, durably, before it resolves. Where the people of one place are missing, or one has done the
 * operation before, none has used anything. They are used up in one place after the other: where one
 * cannot store it, or something else uses them there in this moment, those ahead of it have, and the same
 * use may go on.
 * Throws APPROVAL_REQUIRED (`checkQuorums`), or CONFLICT where the operation was done before: approvals
 * are for one time.
 */
export async function requireApprovals(
  operation: Operation,
  approvals: readonly Approval[],
  places: readonly ApprovingPlace[],
  use: ApprovalUse,
): Promise<void> {
  const quorums = places.map(({ quorum }) => quorum);
  checkQuorums(operation, approvals, quorums, use.nowMs);
  for (const { ledger } of places) {
    const earlier = await ledger.findUse(operation.id);
    if (earlier !== undefined) assertSameUse(earlier, operation, use.useId);
  }
  for (const { quorum, ledger } of places) {
    await usedUp(operation, approvalsOf(quorum, approvals), ledger, use);
  }
}

async function usedUp(
  operation: Operation,
  approvals: readonly Approval[],
  ledger: ApprovalLedger,
  { nowMs, useId }: ApprovalUse,
): Promise<UsedApprovals> {
  const used: UsedApprovals = {
    // Its place: the same operation with other content is a replay as well.
    operationId: operation.id,
    useId,
    usedAt: new Date(nowMs).toISOString(),
    kind: operation.kind,
    sha256: operationHash(operation),
    approvals,
  };
  const first = await ledger.useApprovals(used);
  assertSameUse(first, operation, useId);
  return first;
}

/** CONFLICT where the operation was done before by something else, or with other content. */
function assertSameUse(first: UsedApprovals, operation: Operation, useId: string): void {
  if (first.useId === useId && first.sha256 === operationHash(operation)) return;
  throw new CertmillError(
    'CONFLICT',
    `operation ${operation.id} was done at ${first.usedAt}: its approvals are used up`,
  );
}
