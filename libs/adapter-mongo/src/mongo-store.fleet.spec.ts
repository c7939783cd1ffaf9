import {
  describeApprovals,
  describeCrls,
  describeMassOperations,
  describeRevocations,
  describeStores,
} from '@certmill/ports/conformance';
import { noMassCounts, type MassOperation } from '@certmill/domain';
import { aFleet } from './testing/a-mongo-store.js';

const batches = [{ batchId: 'b', orderId: 'order', nextIndex: 1 }];
const massOperation: MassOperation = {
  tenant: 'acme',
  operationId: 'op',
  selection: { issuer: 'factory' },
  work: { kind: 'revoke', reason: 'superseded' },
  freezeId: '',
  quota: 0,
  createdAtMs: 1,
  createdBy: 'olga',
  state: 'running',
  cursor: { batch: 0, chunkNumber: 0, targetIndex: 0 },
  counts: noMassCounts,
  version: 1,
};

async function openStore() {
  const fleet = await aFleet();
  return { stores: await fleet.open(), close: () => fleet.close() };
}

describeStores('the MongoDB store', openStore);
describeRevocations('revocations and audit of the MongoDB store', openStore);
describeCrls('CRLs of the MongoDB store', openStore);
describeMassOperations('mass operations of the MongoDB store', openStore);
describeApprovals('used approvals of the MongoDB store', async () => {
  const { stores: ledger, close } = await openStore();
  return { ledger, close };
});

describe('pages of a selection that nobody added an operation for', () => {
  test('are dropped an hour later, when the tenant begins another; those of an operation stay', async () => {
    const fleet = await aFleet();
    const clock = { ms: Date.now(), nowMs: () => clock.ms };
    const store = await fleet.open({ clock });
    const freeze = async (operationId: string, freezeId: string): Promise<MassOperation> => {
      const operation = { ...massOperation, operationId, freezeId };
      for (const page of [0, 1]) await store.putFrozenPage(operation, page, batches);
      return operation;
    };
    const isThere = async (operation: MassOperation): Promise<readonly boolean[]> =>
      Promise.all([0, 1].map(async (n) => (await store.frozenPage(operation, n)).length > 0));
    const lost = await freeze('op', 'lost');
    const kept = await freeze('op', 'kept');
    await store.addOperation(kept);
    clock.ms += 3_600_000;
    await store.addOperation(await freeze('other', 'later'));
    expect(await isThere(lost)).toEqual([true, true]);
    clock.ms += 1;
    await store.addOperation(await freeze('third', 'third'));
    expect(await isThere(lost)).toEqual([false, false]);
    expect(await isThere(kept)).toEqual([true, true]);
    await fleet.close();
  });
});
