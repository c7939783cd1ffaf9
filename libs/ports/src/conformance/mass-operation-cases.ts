import assert from 'node:assert/strict';
import { noMassCounts, type FrozenBatch, type MassOperation } from '@certmill/domain';
import type { MassOperationStore } from '../mass-operations.js';
import { expectSame } from './expect-same.js';
import type { StoreCase } from './store-case.js';
import { atOnce, hex, nowMs, writers } from './stores-fixture.js';

function anOperation(tenant: string, changes: Partial<MassOperation> = {}): MassOperation {
  return {
    tenant,
    operationId: 'op',
    selection: { issuer: 'factory', site: 'north' },
    work: { kind: 'revoke', reason: 'cessationOfOperation', invalidityDateMs: nowMs - 1 },
    ratePerSecond: 10,
    quota: 7,
    createdAtMs: nowMs,
    createdBy: 'line 4',
    state: 'running',
    cursor: { batch: 0, chunkNumber: 0, targetIndex: 0 },
    counts: { ...noMassCounts, requests: 7 },
    version: 1,
    ...changes,
  };
}

function frozen(count: number): FrozenBatch[] {
  return Array.from({ length: count }, (_, i) => ({
    batchId: hex(String(i)).slice(0, 26),
    orderId: `order-${String(i % 3)}`,
    nextIndex: i,
  }));
}

/** Mass operations: found under their names, changed by one writer at a time. */
export const massOperationCases: readonly StoreCase<MassOperationStore>[] = [
  {
    name: 'an operation is told as it was given, with its selection in order, to its tenant alone',
    async run(stores, tenant) {
      const operation = anOperation(tenant);
      const batches = frozen(1_000);
      assert.equal(await stores.addOperation(operation, batches), true);
      expectSame(await stores.getOperation(tenant, 'op'), operation);
      expectSame(await stores.frozenBatches(tenant, 'op'), batches);
      assert.equal(await stores.getOperation(`${tenant}-other`, 'op'), undefined);
      assert.equal(await stores.getOperation(tenant, 'other'), undefined);
      expectSame(await stores.frozenBatches(tenant, 'other'), []);
    },
    broken: (stores) => ({
      frozenBatches: async (...name) => (await stores.frozenBatches(...name)).toReversed(),
    }),
  },
  {
    name: 'of 8 that add one operation at once one does, and its selection is in force',
    async run(stores, tenant) {
      const added = await atOnce((writer) =>
        stores.addOperation(
          anOperation(tenant, { createdBy: String(writer) }),
          frozen(3).map((batch) => ({ ...batch, nextIndex: writer })),
        ),
      );
      assert.equal(added.filter(Boolean).length, 1);
      const winner = added.indexOf(true);
      assert.equal((await stores.getOperation(tenant, 'op'))?.createdBy, String(winner));
      const batches = await stores.frozenBatches(tenant, 'op');
      assert.ok(batches.every(({ nextIndex }) => nextIndex === winner));
    },
    broken: () => ({ addOperation: () => Promise.resolve(true) }),
  },
  {
    name: 'of 8 that change one version one does; the others change nothing',
    async run(stores, tenant) {
      await stores.addOperation(anOperation(tenant), frozen(2));
      const saved = await atOnce((writer) =>
        stores.saveOperation(anOperation(tenant, { version: 2, endedAtMs: writer }), 1),
      );
      assert.equal(saved.filter(Boolean).length, 1);
      const stored = await stores.getOperation(tenant, 'op');
      expectSame(stored, anOperation(tenant, { version: 2, endedAtMs: saved.indexOf(true) }));
      expectSame(await stores.frozenBatches(tenant, 'op'), frozen(2));
    },
    broken: (stores) => ({
      saveOperation: async (...change) => {
        await stores.saveOperation(...change);
        return true;
      },
    }),
  },
  {
    name: 'an operation changes whole: what it has no more is gone; none is made by a change',
    async run(stores, tenant) {
      const failure = { code: 'CONFLICT', message: 'why', atMs: nowMs } as const;
      const failed = anOperation(tenant, { state: 'failed', failure });
      const resumed = anOperation(tenant, { version: 2 });
      assert.equal(await stores.saveOperation(resumed, 1), false);
      assert.equal(await stores.getOperation(tenant, 'op'), undefined);
      await stores.addOperation(failed, []);
      assert.equal(await stores.saveOperation(resumed, 1), true);
      expectSame(await stores.getOperation(tenant, 'op'), resumed);
    },
    broken: (stores) => ({
      saveOperation: async (operation, version) => {
        const stored = await stores.getOperation(operation.tenant, operation.operationId);
        return stores.saveOperation({ ...stored, ...operation }, version);
      },
    }),
  },
  {
    name: 'operations are listed newest first, in pages, to their tenant alone',
    async run(stores, tenant) {
      const names = Array.from({ length: writers }, (_, i) => `op-${String(i)}`);
      for (const operationId of names) {
        await stores.addOperation(anOperation(tenant, { operationId }), []);
      }
      await stores.addOperation(anOperation(`${tenant}-other`), []);
      const listed: string[] = [];
      let cursor: string | undefined;
      do {
        const from = cursor === undefined ? {} : { cursor };
        const page = await stores.listOperations(tenant, { limit: 3, ...from });
        assert.ok(page.items.length <= 3);
        listed.push(...page.items.map(({ operationId }) => operationId));
        cursor = page.next;
      } while (cursor !== undefined && listed.length < 100);
      expectSame(listed, names.toReversed());
    },
    broken: (stores) => ({
      listOperations: async (tenant, page) => {
        const { items } = await stores.listOperations(tenant, page);
        return { items };
      },
    }),
  },
  {
    name: 'running operations of all tenants are listed, as long as they run',
    async run(stores, tenant) {
      const tenants = [tenant, `${tenant}-other`];
      for (const each of tenants) {
        await stores.addOperation(anOperation(each), []);
        await stores.addOperation(anOperation(each, { operationId: 'ends' }), []);
        await stores.addOperation(anOperation(each, { operationId: 'off', state: 'paused' }), []);
        const done = anOperation(each, { operationId: 'ends', state: 'done', version: 2 });
        await stores.saveOperation(done, 1);
      }
      const listed: string[] = [];
      let cursor: string | undefined;
      do {
        const from = cursor === undefined ? {} : { cursor };
        const page = await stores.listRunning({ limit: 1, ...from });
        assert.ok(page.items.length <= 1);
        const own = page.items.filter((operation) => tenants.includes(operation.tenant));
        listed.push(...own.map((operation) => `${operation.tenant} ${operation.operationId}`));
        cursor = page.next;
      } while (cursor !== undefined);
      expectSame(
        listed,
        tenants.toReversed().map((each) => `${each} op`),
      );
    },
    broken: (stores) => ({
      listRunning: async (page) => {
        const { items } = await stores.listRunning(page);
        return { items };
      },
    }),
  },
];
