import type { AuditEntry, ChainedAuditEntry } from '@certmill/domain';
import type { AuditStore, Clock } from '@certmill/ports';

export interface AuditPorts {
  readonly audit: Pick<AuditStore, 'appendAudit'>;
  readonly clock: Clock;
}

/** Notes in the audit trail what somebody did, now. Durable when it resolves. */
export function recordAudit(
  { audit, clock }: AuditPorts,
  entry: Omit<AuditEntry, 'atMs'>,
): Promise<ChainedAuditEntry> {
  return audit.appendAudit({ ...entry, atMs: clock.nowMs() });
}
