import type { Credential } from '@certmill/domain';
import type { GivenApprovals, SensitiveOperation } from '@certmill/ports';
import { noteAudit } from './audit-notes.js';
import type { IssuanceServices } from './services.js';

/**
 * Uses up the approvals of a call, where the installation has a quorum, and notes whose they were.
 * Faults: as `OperationGate.demand`.
 */
export async function demandApproval(
  services: Pick<IssuanceServices, 'audit' | 'clock' | 'gate'>,
  caller: Credential,
  operation: SensitiveOperation,
  given: GivenApprovals,
): Promise<void> {
  const used = await services.gate.demand(operation, given);
  if (used === undefined) return;
  const { operationId, kind, sha256, approvals } = used;
  const approvers = approvals.map(approverOf).join(', ');
  await noteAudit(services, caller, 'approvals.used', { operationId, kind, sha256, approvers });
}

function approverOf(approval: unknown): string {
  const hasName = typeof approval === 'object' && approval !== null && 'approver' in approval;
  return hasName ? String(approval.approver) : '';
}
