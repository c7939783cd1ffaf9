import type { AuditEntry, ChainedAuditEntry, MassOperation } from '@certmill/domain';
import type { AuditStore } from '@certmill/ports';

type EndedOperation = MassOperation & { readonly endedAtMs: number };
interface TrailPorts {
  readonly audit: AuditStore;
}

const entriesAtOnce = 1_000;

/** Notes how an operation ended, with the time at which that was decided. Durable when it resolves. */
export function tellEnd({ audit }: TrailPorts, ended: EndedOperation): Promise<ChainedAuditEntry> {
  const { tenant, createdBy: actor, endedAtMs: atMs } = ended;
  return audit.appendAudit({ atMs, tenant, actor, action: endOf(ended), detail: detailOf(ended) });
}

/** Whether that was noted, by a run that was killed right after. Reads what was noted since the operation began. */
export async function isEndTold({ audit }: TrailPorts, ended: EndedOperation): Promise<boolean> {
  let after = ended.begunEntry ?? 0;
  for (;;) {
    const entries = await audit.listAudit({ limit: entriesAtOnce, after });
    if (entries.some((entry) => tells(entry, ended))) return true;
    if (entries.length < entriesAtOnce) return false;
    after = entries.at(-1)?.sequence ?? after;
  }
}

function tells({ atMs, tenant, action, detail }: AuditEntry, ended: EndedOperation): boolean {
  return (
    atMs === ended.endedAtMs &&
    tenant === ended.tenant &&
    action === endOf(ended) &&
    detail['operation'] === ended.operationId
  );
}

function endOf({ state }: Pick<MassOperation, 'state'>): string {
  return state === 'done' ? 'mass-operation.ended' : 'mass-operation.failed';
}

/** An operation as the audit trail tells it: what is asked for, and the counts that are not 0. */
export function detailOf(operation: MassOperation): AuditEntry['detail'] {
  const { operationId, selection, work, counts, failure } = operation;
  const counted = Object.entries(counts).filter(([, count]) => count > 0);
  return {
    operation: operationId,
    ...selection,
    ...detailOfWork(work),
    ...Object.fromEntries(counted),
    ...(failure === undefined ? {} : { failure: failure.code }),
  };
}

function detailOfWork(work: MassOperation['work']): Record<string, string> {
  if (work.kind === 'revoke') return { work: 'revoke', reason: work.reason };
  return { work: work.kind, newIssuer: work.issuer, newProfile: work.profileName };
}
