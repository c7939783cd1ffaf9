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
 * up there, one place after the other, durably, before it resolves: where the people of one place are
 * missing, none has used anything; where one has done the operation before, those ahead of it have.
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
  if (first.useId === useId && first.sha256 === used.sha256) return first;
  throw new CertmillError(
    'CONFLICT',
    `operation ${operation.id} was done at ${first.usedAt}: its approvals are used up`,
  );
}
