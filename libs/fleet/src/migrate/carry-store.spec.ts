import { noMassCounts, type DecidedState, type MassOperation } from '@certmill/domain';
import { carriedOperation } from './carry-store.js';

const running: MassOperation = {
  tenant: 'acme',
  operationId: 'give-up',
  selection: { issuer: 'first' },
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
};

describe('a mass operation that is carried', () => {
  it.each([undefined, { state: 'running', atMs: 2, actor: 'otto' } as const])(
    'is paused where it ran or was about to go on: %j',
    (decided?: DecidedState) => {
      const operation = decided === undefined ? running : { ...running, decided };
      expect(carriedOperation(operation)).toEqual({ ...running, state: 'paused' });
    },
  );

  it('is still about to be cancelled where it was', () => {
    const decided = { state: 'cancelled', atMs: 2, actor: 'otto' } as const;
    const operation = { ...running, decided };
    expect(carriedOperation(operation)).toEqual(operation);
  });
});
