import assert from 'node:assert/strict';
import {
  frozenPageBatches,
  noMassCounts,
  type ChunkOutcome,
  type FrozenBatch,
  type MassOperation,
} from '@certmill/domain';
import type { MassOperationStore, OutcomeQuery } from '../mass-operations.js';
import { expectSame } from './expect-same.js';
import { aMassOperation } from './mass-operation-fixture.js';
import type { StoreCase } from './store-case.js';
import { atOnce, hex, nowMs, writers } from './stores-fixture.js';

function anOperation(tenant: string, changes: Partial<MassOperation> = {}): MassOperation {
  return aMassOperation({
    tenant,
    selection: { issuer: 'factory', site: 'north' },
    work: { kind: 'revoke', reason: 'cessationOfOperation', invalidityDateMs: nowMs - 1 },
    ratePerSecond: 10,
    frozenBatches: 2,
    quota: 7,
    createdAtMs: nowMs,
    createdBy: 'line 4',
    counts: { ...noMassCounts, requests: 7 },
    ...changes,
  });
}

function anOutcome(batch: number, chunkNumber: number, isPending: boolean): ChunkOutcome {
  return {
    batch,
    chunkNumber,
    isPending,
    runs: isPending
      ? []
      : [{ index: 0, count: 3, outcome: 'skipped', reason: 'CERTIFICATE_ENDED' }],
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
    name: 'an operation is told as it was given, to its tenant alone',
    async run(stores, tenant) {
      const operation = anOperation(tenant);
      assert.equal(await stores.addOperation(operation), true);
      expectSame(await stores.getOperation(tenant, 'op'), operation);
      assert.equal(await stores.getOperation(`${tenant}-other`, 'op'), undefined);
      assert.equal(await stores.getOperation(tenant, 'other'), undefined);
    },
    broken: (stores) => ({ getOperation: (_, name) => stores.getOperation('other', name) }),
  },
  {
    name: 'pages of a frozen selection are told in order, also after others of its name were dropped',
    async run(stores, tenant) {
      const name = anOperation(tenant);
      const lost = { ...name, freezeId: 'lost' };
      const others = { ...name, tenant: `${tenant}-other` };
      const batches = frozen(2 * frozenPageBatches - 1);
      for (const each of [name, lost, others]) {
        await stores.putFrozenPage(each, 0, batches.slice(0, frozenPageBatches));
        await stores.putFrozenPage(each, 1, batches.slice(frozenPageBatches));
      }
      await stores.addOperation(name);
      await stores.dropFrozen(lost);
      for (const each of [name, others]) {
        const pages = [await stores.frozenPage(each, 0), await stores.frozenPage(each, 1)];
        expectSame(pages.flat(), batches);
        expectSame(await stores.frozenPage(each, 2), []);
      }
      expectSame(await stores.frozenPage(lost, 0), []);
      expectSame(await stores.frozenPage(lost, 1), []);
    },
    broken: (stores) => ({
      frozenPage: async (...page) => (await stores.frozenPage(...page)).toReversed(),
    }),
  },
  {
    name: 'of 8 that add one operation at once one does',
    async run(stores, tenant) {
      const added = await atOnce((writer) =>
        stores.addOperation(
          anOperation(tenant, { createdBy: String(writer), freezeId: `freeze-${String(writer)}` }),
        ),
      );
      assert.equal(added.filter(Boolean).length, 1);
      const winner = String(added.indexOf(true));
      const { createdBy, freezeId } = (await stores.getOperation(tenant, 'op')) ?? {};
      expectSame([createdBy, freezeId], [winner, `freeze-${winner}`]);
    },
    broken: () => ({ addOperation: () => Promise.resolve(true) }),
  },
  {
    name: 'of 8 that change one version one does; the others change nothing',
    async run(stores, tenant) {
      await stores.addOperation(anOperation(tenant));
      const saved = await atOnce((writer) =>
        stores.saveOperation(anOperation(tenant, { version: 2, endedAtMs: writer }), 1),
      );
      assert.equal(saved.filter(Boolean).length, 1);
      const stored = await stores.getOperation(tenant, 'op');
      expectSame(stored, anOperation(tenant, { version: 2, endedAtMs: saved.indexOf(true) }));
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
      await stores.addOperation(failed);
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
    name: 'what became of chunks is stored with the change, in place of what was, and listed in order',
    async run(stores, tenant) {
      const operation = anOperation(tenant);
      await stores.addOperation(operation);
      await stores.addOperation(anOperation(tenant, { operationId: 'op-2' }));
      const places = [3, 20, 100].flatMap((batch) => [1, 11].map((n) => [batch, n] as const));
      const outcomes = places.map(([batch, chunkNumber]) =>
        anOutcome(batch, chunkNumber, chunkNumber === 11),
      );
      let version = 1;
      const save = async (outcome: ChunkOutcome): Promise<void> => {
        version += 1;
        assert.ok(await stores.saveOperation({ ...operation, version }, version - 1, outcome));
      };
      for (const outcome of outcomes.toReversed()) await save(outcome);
      const ended = anOutcome(20, 11, false);
      await save(ended);
      assert.equal(await stores.saveOperation(operation, 1, anOutcome(20, 11, true)), false);
      const wanted = outcomes.with(3, ended);
      const listed = (which: Omit<OutcomeQuery, 'limit'>, limit = 10) =>
        stores.listOutcomes(operation, { limit, ...which });
      expectSame(await listed({}), wanted);
      const after = { batch: 3, chunkNumber: 11 };
      expectSame(await listed({ after }, 2), wanted.slice(2, 4));
      const pending = [wanted[1], wanted[5]];
      expectSame(await listed({ isPending: true }), pending);
      expectSame(await listed({ isPending: true, after }), pending.slice(1));
      expectSame(await stores.listOutcomes({ tenant, operationId: 'op-2' }, { limit: 10 }), []);
      expectSame(
        await stores.listOutcomes({ ...operation, tenant: `${tenant}-other` }, { limit: 10 }),
        [],
      );
    },
    broken: (stores) => ({
      saveOperation: (operation, version) => stores.saveOperation(operation, version),
    }),
  },
  {
    name: 'operations are listed newest first, in pages, to their tenant alone',
    async run(stores, tenant) {
      const names = Array.from({ length: writers }, (_, i) => `op-${String(i)}`);
      for (const operationId of names) {
        await stores.addOperation(anOperation(tenant, { operationId }));
      }
      await stores.addOperation(anOperation(`${tenant}-other`));
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
        await stores.addOperation(anOperation(each));
        await stores.addOperation(anOperation(each, { operationId: 'ends' }));
        await stores.addOperation(anOperation(each, { operationId: 'off', state: 'paused' }));
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
