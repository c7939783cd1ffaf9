import type {
  AuditEntry,
  ChainedAuditEntry,
  DecidedState,
  MassOperation,
  MassState,
} from '@certmill/domain';
import type { AuditStore } from '@certmill/ports';

interface TrailPorts {
  readonly audit: AuditStore;
}

const entriesAtOnce = 1_000;

const actions: Readonly<Record<MassState, string>> = {
  running: 'mass-operation.resumed',
  paused: 'mass-operation.paused',
  cancelled: 'mass-operation.cancelled',
  done: 'mass-operation.ended',
  failed: 'mass-operation.failed',
};

/** Notes what an operation has become, with the time at which that was decided. Durable when it resolves. */
export function tellState(
  { audit }: TrailPorts,
  operation: MassOperation,
  { atMs, actor = operation.createdBy }: DecidedState,
): Promise<ChainedAuditEntry> {
  const { tenant } = operation;
  const action = actionOf(operation);
  return audit.appendAudit({ atMs, tenant, actor, action, detail: detailOf(operation) });
}

/**
 * The entry of that, of somebody who was killed right after. Reads what was noted since the operation began;
 * of its begin nothing, for nobody knows since when: that is told again.
 */
export async function findTold(
  { audit }: TrailPorts,
  operation: MassOperation,
  { atMs }: DecidedState,
): Promise<ChainedAuditEntry | undefined> {
  if (operation.begunEntry === undefined) return undefined;
  let after = operation.begunEntry;
  for (;;) {
    const entries = await audit.listAudit({ limit: entriesAtOnce, after });
    const told = entries.find((entry) => tells(entry, operation, atMs));
    if (told !== undefined || entries.length < entriesAtOnce) return told;
    after = entries.at(-1)?.sequence ?? after;
  }
}

function tells(entry: AuditEntry, operation: MassOperation, atMs: number): boolean {
  return (
    entry.atMs === atMs &&
    entry.tenant === operation.tenant &&
    entry.action === actionOf(operation) &&
    entry.detail['operation'] === operation.operationId
  );
}

function actionOf({ state, begunEntry }: MassOperation): string {
  return state === 'running' && begunEntry === undefined ? 'mass-operation.begun' : actions[state];
}

/** An operation as the audit trail tells it: what is asked for, and the counts that are not 0. */
function detailOf(operation: MassOperation): AuditEntry['detail'] {
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
