import type { AuditEntry, MassOperation } from '@certmill/domain';

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
