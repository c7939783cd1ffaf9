import { noMassCounts, type MassOperation } from '@certmill/domain';

/** A mass revocation that runs and has nothing in its selection, but for the changes. */
export function aMassOperation(changes: Partial<MassOperation> = {}): MassOperation {
  return {
    tenant: 'acme',
    operationId: 'op',
    selection: { issuer: 'factory' },
    work: { kind: 'revoke', reason: 'superseded' },
    freezeId: 'freeze',
    frozenBatches: 0,
    quota: 0,
    createdAtMs: 1,
    createdBy: 'olga',
    state: 'running',
    cursor: { batch: 0, chunkNumber: 0, targetIndex: 0 },
    counts: noMassCounts,
    version: 1,
    ...changes,
  };
}
