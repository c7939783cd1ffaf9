import {
  aMassOperation,
  describeApprovals,
  describeCrls,
  describeMassOperations,
  describeRevocations,
  describeStores,
} from '@certmill/ports/conformance';
import type { ChunkOutcome, MassOperation } from '@certmill/domain';
import { crlsInForce, kindDue } from '@certmill/pipeline';
import type { StoredCrl } from '@certmill/ports';
import { beginStoreRestore } from './import/restored-store.js';
import { aFleet, mongoUri } from './testing/a-mongo-store.js';

const batches = [{ batchId: 'b', orderId: 'order', nextIndex: 1 }];
const massOperation = aMassOperation({ freezeId: '', frozenBatches: 1 });

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

describe('what became of a chunk', () => {
  const outcomeOf = (version: number): ChunkOutcome => {
    return {
      batch: 0,
      chunkNumber: 0,
      isPending: version === 2,
      runs: [{ index: 0, count: version, outcome: 'changed' }],
    };
  };

  test('is told with its change or not at all, whichever call of it was the last of its process', async () => {
    const fleet = await aFleet();
    let left = 0;
    let isDone = false;
    const around = async <T>(step: string, call: () => Promise<T>): Promise<T> => {
      left -= 1;
      if (left > 0) return call();
      if (left === 0 && isDone) await call();
      throw Object.assign(new Error(`${step} was made to fail`), { code: 'ECONNRESET' });
    };
    left = Infinity;
    const killed = await fleet.open({ around });
    const store = await fleet.open();
    const seen = new Set<number>();
    for (const [i, at] of [1, 1, 2, 2, 3, 3].entries()) {
      const operation = { ...massOperation, operationId: `op-${String(i)}`, version: 1 };
      await store.addOperation(operation);
      left = at;
      isDone = i % 2 === 1;
      await killed.saveOperation({ ...operation, version: 2 }, 1, outcomeOf(2)).catch(() => 0);
      const { version = 0 } = (await store.getOperation('acme', operation.operationId)) ?? {};
      seen.add(version);
      const wanted = version === 2 ? [outcomeOf(2)] : [];
      // Only read where the next change does not put it in its place.
      if (i % 2 === 0) expect(await store.listOutcomes(operation, { limit: 9 })).toEqual(wanted);
      const next = { ...operation, version: version + 1 };
      const other = { ...outcomeOf(version + 1), chunkNumber: 1 };
      expect(await store.saveOperation(next, version, other)).toBe(true);
      expect(await store.listOutcomes(operation, { limit: 9 })).toEqual([...wanted, other]);
      const pending = await store.listOutcomes(operation, { limit: 9, isPending: true });
      expect(pending).toEqual(version === 2 ? wanted : [other]);
      // Of a run that was overtaken: it is too late, with what it saw.
      expect(await store.saveOperation(next, version, outcomeOf(9))).toBe(false);
      expect(await store.listOutcomes(operation, { limit: 9 })).toEqual([...wanted, other]);
    }
    expect([...seen].toSorted()).toEqual([1, 2]);
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
