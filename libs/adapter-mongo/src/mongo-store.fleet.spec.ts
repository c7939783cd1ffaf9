import {
  describeApprovals,
  describeCrls,
  describeMassOperations,
  describeRevocations,
  describeStores,
} from '@certmill/ports/conformance';
import { noMassCounts, type MassOperation } from '@certmill/domain';
import { crlsInForce, kindDue } from '@certmill/pipeline';
import type { StoredCrl } from '@certmill/ports';
import { beginStoreRestore } from './import/restored-store.js';
import { aFleet, mongoUri } from './testing/a-mongo-store.js';

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

describe('a database that was restored to an earlier time', () => {
  test('has CRLs that are due: others were published since', async () => {
    const fleet = await aFleet();
    const scope = { issuer: 'factory', shard: 0 };
    const nowMs = Date.now();
    const policy = { lifetimeMs: 86_400_000 };
    const crl: StoredCrl = {
      ...{
        scope,
        kind: 'full',
        crlNumber: BigInt(nowMs),
        entries: 0,
        changes: 0,
        hasDeltas: false,
      },
      ...{
        thisUpdateMs: nowMs,
        nextUpdateMs: nowMs + policy.lifetimeMs,
        der: Uint8Array.of(0x30, 0),
      },
    };
    const before = await fleet.open();
    expect(await before.putCrl(crl, undefined)).toBe(true);
    expect(kindDue(policy, await crlsInForce(before, scope), nowMs)).toBeUndefined();
    await before.stop(1_000);
    const { database } = fleet;
    const clock = { nowMs: () => nowMs };
    const restore = await beginStoreRestore({ uri: mongoUri(), database, clock });
    await restore.end();
    const after = await crlsInForce(await fleet.open(), scope);
    expect(after.full?.crlNumber).toBe(crl.crlNumber);
    expect(kindDue(policy, after, nowMs)).toBe('full');
    await fleet.close();
  });
});
