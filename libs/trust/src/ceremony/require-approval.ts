import { CertmillError } from '@certmill/domain';
import type { ApprovalLedger, UsedApprovals } from '@certmill/ports';
import { type Approval, checkQuorum, type Quorum } from './approval.js';
import { type Operation, operationHash } from './operation.js';

export interface ApprovalUse {
  readonly ledger: ApprovalLedger;
  readonly nowMs: number;
  /** What uses them: an operation that was killed may be gone on with by the same use only. */
  readonly useId: string;
}

/**
 * Demands a quorum for an operation and uses its approvals up, durably, before it resolves.
 * Throws APPROVAL_REQUIRED (`checkQuorum`), or CONFLICT where the operation was done before: approvals
 * are for one time.
 */
export async function requireApproval(
  operation: Operation,
  approvals: readonly Approval[],
  quorum: Quorum,
  { ledger, nowMs, useId }: ApprovalUse,
): Promise<UsedApprovals> {
  checkQuorum(operation, approvals, quorum, nowMs);
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
