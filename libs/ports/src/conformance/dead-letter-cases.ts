import assert from 'node:assert/strict';
import { inFlightOf, type Batch } from '@certmill/domain';
import type { DeadLetter, DeadLetterCause } from '../stores.js';
import { expectSame } from './expect-same.js';
import type { StoreCase } from './store-case.js';
import {
  aBatch,
  aChunk,
  anOrder,
  atOnce,
  nowMs,
  open,
  receive,
  type ChunkUnderTest,
  type Stores,
} from './stores-fixture.js';

function aCause(changes: Partial<DeadLetterCause> = {}): DeadLetterCause {
  return {
    code: 'FAULT_PROCESSING',
    detail: 'poison',
    stage: 'sign',
    topic: 'test.requests.received.v1.bulk',
    place: '0:7',
    ...changes,
  };
}

/** Chunks of two requests each, received and given up. */
async function giveUp(
  stores: Stores,
  tenant: string,
  count = 1,
): Promise<{ readonly batch: Batch; readonly chunks: readonly ChunkUnderTest[] }> {
  const batch = await open(stores, anOrder(tenant), aBatch(tenant, 'b'));
  const chunks = Array.from({ length: count }, (_, n) =>
    aChunk(batch, [`a${String(n)}`, `b${String(n)}`], { chunkNumber: n, firstIndex: n * 2 }),
  );
  for (const chunk of chunks) {
    await receive(stores, chunk);
    await stores.markDeadLettered(chunk.ref, aCause());
  }
  await stores.completeUpload(tenant, batch.batchId, count * 2, nowMs);
  return { batch, chunks };
}

async function numbersOf(stores: Stores, { tenant, batchId }: Batch): Promise<number[]> {
  const { items } = await stores.listDeadLetters(tenant, batchId, { limit: 100 });
  return items.map(({ chunk }) => chunk.chunkNumber);
}

async function batchNow(stores: Stores, { tenant, batchId }: Batch): Promise<Batch> {
  const batch = await stores.getBatch(tenant, batchId);
  assert.ok(batch);
  return batch;
}

/** Chunks that could not be processed: counted, listed, retried. */
export const deadLetterCases: readonly StoreCase[] = [
  {
    name: 'a dead-lettered chunk is counted as such until it ends otherwise',
    async run(stores, tenant) {
      const { batch, chunks } = await giveUp(stores, tenant);
      const [chunk] = chunks;
      assert.ok(chunk);
      await stores.markDeadLettered(chunk.ref, aCause({ detail: 'poison again' }));
      const dead = await batchNow(stores, batch);
      assert.equal(dead.counters.deadLettered, 2);
      assert.equal(inFlightOf(dead.counters), 0);
      await stores.decide(chunk.decision);
      await stores.publish(chunk.terminal());
      await stores.markDeadLettered(chunk.ref, aCause({ detail: 'too late' }));
      const issued = await batchNow(stores, batch);
      assert.equal(issued.counters.deadLettered, 0);
      assert.equal(issued.counters.issued, 2);
      expectSame(await numbersOf(stores, batch), []);
    },
    broken: () => ({ markDeadLettered: () => Promise.resolve() }),
  },
  {
    name: 'a dead letter tells its first cause and where its record is',
    async run(stores, tenant) {
      const { chunks } = await giveUp(stores, tenant, 2);
      const chunk = chunks[1];
      assert.ok(chunk);
      await stores.markDeadLettered(chunk.ref, aCause({ detail: 'second', place: '0:8' }));
      const letter = await stores.getDeadLetter(chunk.ref);
      assert.ok(letter);
      const { atMs, ...rest } = letter;
      assert.ok(Number.isSafeInteger(atMs));
      expectSame(rest, { ...aCause(), chunk: chunk.ref, firstIndex: 2, count: 2 });
      const foreign = { ...chunk.ref, tenant: `${tenant}-other` };
      assert.equal(await stores.getDeadLetter(foreign), undefined);
    },
    broken: (stores) => ({
      getDeadLetter: async (chunk) => {
        const letter = await stores.getDeadLetter(chunk);
        return letter && { ...letter, detail: 'second', place: '0:8' };
      },
    }),
  },
  {
    name: 'dead letters are listed in the order of their chunks, page by page',
    async run(stores, tenant) {
      const { batch } = await giveUp(stores, tenant, 5);
      const found: number[] = [];
      let cursor: string | undefined;
      do {
        const request = { limit: 2, ...(cursor === undefined ? {} : { cursor }) };
        const page = await stores.listDeadLetters(tenant, batch.batchId, request);
        assert.ok(page.items.length <= 2);
        found.push(...page.items.map(({ chunk }) => chunk.chunkNumber));
        cursor = page.next;
      } while (cursor !== undefined && found.length < 10);
      expectSame(found, [0, 1, 2, 3, 4]);
      const other = `${tenant}-other`;
      expectSame((await stores.listDeadLetters(other, batch.batchId, { limit: 9 })).items, []);
    },
    broken: (stores) => ({
      listDeadLetters: (tenant, batchId, { limit }) =>
        stores.listDeadLetters(tenant, batchId, { limit }),
    }),
  },
  {
    name: 'of 8 retries at once the chunk is in flight once, and its batch is open again',
    async run(stores, tenant) {
      const { batch, chunks } = await giveUp(stores, tenant, 2);
      const [chunk, other] = chunks;
      assert.ok(chunk && other);
      assert.notEqual((await batchNow(stores, batch)).completedAtMs, undefined);
      const letters = await atOnce(() => stores.retryDeadLetter(chunk.ref, nowMs + 5));
      assert.ok(letters.every((letter) => letter?.retriedAtMs === nowMs + 5));
      const retried = await batchNow(stores, batch);
      assert.equal(inFlightOf(retried.counters), 2);
      assert.equal(retried.counters.deadLettered, 2);
      assert.equal(retried.completedAtMs, undefined);
      // It is listed until it ends: the retry may have got no further than this.
      expectSame(await numbersOf(stores, batch), [0, 1]);
      for (const each of chunks) {
        await stores.decide(each.decision);
        await stores.publish(each.terminal({ publishedAtMs: nowMs + 9 }));
      }
      const ended = await batchNow(stores, batch);
      assert.equal(ended.completedAtMs, nowMs + 9);
      const { issued, deadLettered } = ended.counters;
      expectSame([issued, deadLettered, inFlightOf(ended.counters)], [4, 0, 0]);
    },
    broken: (stores) => ({ retryDeadLetter: (chunk) => stores.getDeadLetter(chunk) }),
  },
  {
    name: 'a chunk that fails again after its retry is a dead letter with its new cause',
    async run(stores, tenant) {
      const { batch, chunks } = await giveUp(stores, tenant);
      const [chunk] = chunks;
      assert.ok(chunk);
      await stores.retryDeadLetter(chunk.ref, nowMs);
      const cause = aCause({ code: 'FAULT_LINT_FAILED', stage: 'validate', place: '0:9' });
      await stores.markDeadLettered(chunk.ref, cause);
      const again = await stores.getDeadLetter(chunk.ref);
      assert.equal(again?.code, 'FAULT_LINT_FAILED');
      assert.equal(again.place, '0:9');
      assert.equal(again.retriedAtMs, undefined);
      const { counters } = await batchNow(stores, batch);
      expectSame([counters.deadLettered, inFlightOf(counters)], [2, 0]);
    },
    broken: (stores) => {
      const marked = new Set<number>();
      return {
        markDeadLettered: async (chunk, cause) => {
          if (marked.has(chunk.chunkNumber)) return;
          marked.add(chunk.chunkNumber);
          await stores.markDeadLettered(chunk, cause);
        },
      };
    },
  },
  {
    name: 'there is nothing to retry of a chunk that has ended or never failed',
    async run(stores, tenant) {
      const { batch, chunks } = await giveUp(stores, tenant);
      const [ended] = chunks;
      assert.ok(ended);
      await stores.decide(ended.decision);
      await stores.publish(ended.terminal());
      const before = await batchNow(stores, batch);
      assert.equal(await stores.retryDeadLetter(ended.ref, nowMs), undefined);
      expectSame(await batchNow(stores, batch), before);
      const second = await stores.openBatch(aBatch(tenant, 'sound'));
      const sound = aChunk(second, ['c']);
      await receive(stores, sound);
      assert.equal(await stores.retryDeadLetter(sound.ref, nowMs), undefined);
      const unknown = { ...sound.ref, chunkNumber: 7 };
      assert.equal(await stores.retryDeadLetter(unknown, nowMs), undefined);
    },
    broken: (stores) => ({
      retryDeadLetter: async (chunk, atMs): Promise<DeadLetter> =>
        (await stores.retryDeadLetter(chunk, atMs)) ?? {
          ...aCause(),
          chunk,
          firstIndex: 0,
          count: 2,
          atMs,
        },
    }),
  },
];
