import assert from 'node:assert/strict';
import { hasCode } from './account-cases.js';
import { expectSame } from './expect-same.js';
import type { StoreCase } from './store-case.js';
import { aBatch, aChunk, anOrder, atOnce, nowMs, open, receive, udidOf } from './stores-fixture.js';

/** Batches and the registration of their chunks. */
export const batchCases: readonly StoreCase[] = [
  {
    name: 'the epoch is 16 octets and stays',
    async run(stores) {
      const epoch = await stores.storeEpoch();
      assert.equal(epoch.length, 16);
      expectSame(Buffer.from(await stores.storeEpoch()), Buffer.from(epoch));
    },
    broken: () => ({ storeEpoch: () => Promise.resolve(new Uint8Array(8)) }),
  },
  {
    name: 'of 8 writers at once the first opens the batch, and all get it',
    async run(stores, tenant) {
      const opened = await atOnce((writer) =>
        stores.openBatch(aBatch(tenant, 'b', { createdAtMs: nowMs + writer })),
      );
      const [first] = opened;
      assert.ok(first);
      for (const batch of opened) expectSame(batch, first);
      expectSame(await stores.getBatch(tenant, first.batchId), first);
    },
    broken: (stores) => ({
      openBatch: async (batch) => {
        await stores.openBatch(batch);
        return batch;
      },
    }),
  },
  {
    name: 'the tenant of a batch is found by its id alone',
    async run(stores, tenant) {
      await stores.createTenant(tenant, nowMs);
      const { batchId } = await stores.openBatch(aBatch(tenant, 'b'));
      assert.equal(await stores.findTenant(batchId), tenant);
      assert.equal(await stores.findTenant('0'.repeat(26)), undefined);
    },
    broken: () => ({ findTenant: () => Promise.resolve(undefined) }),
  },
  {
    name: 'of 8 writers at once the first pins the chunk, and all get its pins',
    async run(stores, tenant) {
      const batch = await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      const chunk = aChunk(batch, ['a', 'b']);
      const pinned = await atOnce((writer) =>
        stores.registerChunk({
          ...chunk.registration,
          receivedAtMs: nowMs + writer,
          digest: udidOf(String(writer)),
        }),
      );
      const stored = await stores.getRegistration(chunk.ref);
      assert.ok(stored);
      for (const { receivedAtMs, digest } of pinned) {
        assert.equal(receivedAtMs, stored.receivedAtMs);
        expectSame(Buffer.from(digest), Buffer.from(stored.digest));
      }
      assert.equal((await stores.getBatch(tenant, batch.batchId))?.nextIndex, 0);
    },
    broken: (stores) => ({
      registerChunk: async (registration) => {
        await stores.registerChunk(registration);
        return registration;
      },
    }),
  },
  {
    name: 'a chunk that was cut otherwise meets the one that holds its indexes',
    async run(stores, tenant) {
      const batch = await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      const wide = aChunk(batch, ['a', 'b', 'c']).registration;
      await stores.registerChunk(wide);
      const cut = aChunk(batch, ['b'], { chunkNumber: 1, firstIndex: 1 }).registration;
      const inForce = await stores.registerChunk(cut);
      assert.equal(inForce.firstIndex, 0);
      expectSame(Buffer.from(inForce.digest), Buffer.from(wide.digest));
    },
    broken: () => ({ registerChunk: (registration) => Promise.resolve(registration) }),
  },
  {
    name: 'behind a chunk that is stored otherwise nothing is registered',
    async run(stores, tenant) {
      const batch = await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      const first = aChunk(batch, ['a']).registration;
      const next = aChunk(batch, ['b'], { chunkNumber: 1, firstIndex: 1 }).registration;
      await stores.registerChunk(first);
      const other = aChunk(batch, ['other']).registration;
      await assert.rejects(stores.registerChunk({ ...next, previousDigest: other.digest }), {
        code: 'CONFLICT',
      });
      assert.equal(await stores.getRegistration(next), undefined);
      const chained = { ...next, previousDigest: first.digest };
      expectSame(
        Buffer.from((await stores.registerChunk(chained)).digest),
        Buffer.from(next.digest),
      );
    },
    broken: (stores) => ({
      registerChunk: ({ previousDigest: _ignored, ...registration }) =>
        stores.registerChunk(registration),
    }),
  },
  {
    name: 'chunks are confirmed in any order; nextIndex has no gap before it',
    async run(stores, tenant) {
      const batch = await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      const chunks = [0, 1, 2].map((chunkNumber) =>
        aChunk(batch, [`a${String(chunkNumber)}`, `b${String(chunkNumber)}`], {
          chunkNumber,
          firstIndex: chunkNumber * 2,
        }),
      );
      await Promise.all(chunks.map((chunk) => stores.registerChunk(chunk.registration)));
      for (const [step, number] of [2, 1, 0, 0].entries()) {
        const chunk = chunks[number];
        assert.ok(chunk);
        await stores.confirmChunk(chunk.ref);
        const moved = await stores.getBatch(tenant, batch.batchId);
        assert.equal(moved?.nextIndex, step < 2 ? 0 : 6);
      }
      assert.equal((await stores.getBatch(tenant, batch.batchId))?.counters.accepted, 6);
    },
    broken: (stores) => ({
      confirmChunk: async (chunk) => {
        if (chunk.chunkNumber !== 1) await stores.confirmChunk(chunk);
      },
    }),
  },
  {
    name: 'a chunk is found by each of its indexes',
    async run(stores, tenant) {
      const batch = await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      await receive(stores, aChunk(batch, ['a', 'b']));
      await receive(stores, aChunk(batch, ['c'], { chunkNumber: 1, firstIndex: 2 }));
      const numberAt = async (index: number) =>
        (await stores.findChunk(tenant, batch.batchId, index))?.chunkNumber;
      expectSame(await Promise.all([0, 1, 2, 3].map(numberAt)), [0, 0, 1, undefined]);
      assert.equal(await stores.findChunk(`${tenant}-other`, batch.batchId, 0), undefined);
    },
    broken: (stores) => ({
      findChunk: (tenant, batchId, index) => stores.findChunk(tenant, batchId, Math.min(index, 1)),
    }),
  },
  {
    name: 'an upload ends once, with one total',
    async run(stores, tenant) {
      const batch = await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      await receive(stores, aChunk(batch, ['a', 'b']));
      const ended = await stores.completeUpload(tenant, batch.batchId, 2, nowMs);
      assert.equal(ended.total, 2);
      assert.equal((await stores.completeUpload(tenant, batch.batchId, 2, nowMs)).total, 2);
      await assert.rejects(
        stores.completeUpload(tenant, batch.batchId, 3, nowMs),
        hasCode('CONFLICT'),
      );
    },
    broken: (stores) => ({
      completeUpload: async (tenant, batchId, total, atMs) => ({
        ...(await stores.completeUpload(tenant, batchId, 2, atMs)),
        total,
      }),
    }),
  },
  {
    name: 'an upload that was ended before its first chunk takes none',
    async run(stores, tenant) {
      const batch = await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      assert.equal((await stores.completeUpload(tenant, batch.batchId, 0, nowMs)).total, 0);
      const { registration, ref } = aChunk(batch, ['a']);
      await assert.rejects(stores.registerChunk(registration), hasCode('CONFLICT'));
      assert.equal(await stores.findChunk(tenant, batch.batchId, 0), undefined);
      assert.equal(await stores.getRegistration(ref), undefined);
      const ended = await stores.getBatch(tenant, batch.batchId);
      assert.equal(ended?.completedAtMs, nowMs);
    },
    broken: (stores) => ({
      registerChunk: (registration) => Promise.resolve(registration),
      completeUpload: async (tenant, batchId, total, atMs) => ({
        ...(await stores.completeUpload(tenant, batchId, total + 1, atMs)),
        total,
      }),
    }),
  },
  {
    name: 'a batch is cancelled once; its chunks say so',
    async run(stores, tenant) {
      const batch = await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      const chunk = aChunk(batch, ['a']);
      assert.equal(await stores.chunkState(chunk.ref), undefined);
      await stores.registerChunk(chunk.registration);
      const registered = { durable: false, ended: false, cancelled: false };
      expectSame(await stores.chunkState(chunk.ref), registered);
      await stores.confirmChunk(chunk.ref);
      const durable = { ...registered, durable: true };
      expectSame(await stores.chunkState(chunk.ref), durable);
      await stores.cancelBatch(tenant, batch.batchId, nowMs);
      const again = await stores.cancelBatch(tenant, batch.batchId, nowMs + 1);
      assert.equal(again?.cancelledAtMs, nowMs);
      expectSame(await stores.chunkState(chunk.ref), { ...durable, cancelled: true });
      assert.equal(await stores.cancelBatch(`${tenant}-other`, batch.batchId, nowMs), undefined);
    },
    broken: (stores) => ({
      chunkState: async (chunk) => {
        const state = await stores.chunkState(chunk);
        return state && { ...state, cancelled: false };
      },
    }),
  },
  {
    name: 'a chunk that is not durable when its batch is cancelled is none of it',
    async run(stores, tenant) {
      const batch = await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
      await receive(stores, aChunk(batch, ['a', 'b']));
      const late = aChunk(batch, ['c'], { chunkNumber: 1, firstIndex: 2 });
      await stores.registerChunk(late.registration);
      const cancelled = await stores.cancelBatch(tenant, batch.batchId, nowMs);
      await assert.rejects(stores.confirmChunk(late.ref), hasCode('CONFLICT'));
      await assert.rejects(stores.decide(late.decision), hasCode('CONFLICT'));
      const code = 'FAULT_PROCESSING';
      const cause = { code, detail: '', stage: 'validate', topic: 't', place: '1' } as const;
      await stores.markDeadLettered(late.ref, cause);
      expectSame(await stores.getBatch(tenant, batch.batchId), cancelled);
      assert.equal(await stores.getDeadLetter(late.ref), undefined);
      assert.equal(await stores.getVerdict(late.ref), undefined);
      assert.equal(await stores.reservedUnder(tenant, batch.orderId), 0);
    },
    broken: () => ({ confirmChunk: () => Promise.resolve() }),
  },
  {
    name: 'batches of an order are listed newest first',
    async run(stores, tenant) {
      for (const name of ['b0', 'b1', 'b2']) {
        await open(stores, anOrder(tenant), aBatch(tenant, name));
      }
      const first = await stores.listBatches(tenant, 'order', { limit: 2 });
      expectSame(
        first.items.map(({ idempotencyKey }) => idempotencyKey),
        ['b2', 'b1'],
      );
      assert.ok(first.next !== undefined);
      const rest = await stores.listBatches(tenant, 'order', { limit: 2, cursor: first.next });
      expectSame(
        rest.items.map(({ idempotencyKey }) => idempotencyKey),
        ['b0'],
      );
      assert.equal(rest.next, undefined);
      expectSame((await stores.listBatches(`${tenant}-other`, 'order', { limit: 2 })).items, []);
    },
    broken: (stores) => ({
      listBatches: (tenant, orderId, { limit }) => stores.listBatches(tenant, orderId, { limit }),
    }),
  },
];
