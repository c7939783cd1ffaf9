import { isCertmillError, type Batch } from '@certmill/domain';
import { decodeVerdict } from '@certmill/events';
import type { ChunkRegistration } from '@certmill/ports';
import { aBatch, aChunk, anOrder, type ChunkUnderTest } from '@certmill/ports/conformance';
import type { MongoStore } from './mongo-store.js';
import { aFleet, type Fleet } from './testing/a-mongo-store.js';
import { nowMs } from './testing/issue-an-order.js';
import { slowCalls } from './testing/slow-calls.js';
import { expectBucketsToAddUp } from './testing/stored-buckets.js';

const processes = 8;
const chunksInHand = 8;

/** Chunks of one or two requests each, chained as ingest does. */
function chunksOf(batch: Batch, count: number, device = 'd'): readonly ChunkUnderTest[] {
  let firstIndex = 0;
  return Array.from({ length: count }, (_, chunkNumber) => {
    const names = Array.from(
      { length: 1 + (chunkNumber % 2) },
      (_device, i) => `${device}${String(firstIndex + i)}`,
    );
    const chunk = aChunk(batch, names, { chunkNumber, firstIndex });
    firstIndex += names.length;
    return chunk;
  });
}

function chained(chunks: readonly ChunkUnderTest[], n: number): ChunkRegistration {
  const registration = chunks[n]?.registration;
  if (registration === undefined) throw new Error('no such chunk');
  const previousDigest = chunks[n - 1]?.registration.digest;
  return { ...registration, ...(previousDigest === undefined ? {} : { previousDigest }) };
}

/** Registers and confirms as ingest does: several in hand, each confirmed once it is in force. */
async function upload(store: MongoStore, chunks: readonly ChunkUnderTest[]) {
  const confirmed: number[] = [];
  const refused: number[] = [];
  const inHand = new Set<Promise<void>>();
  for (let n = 0; n < chunks.length; n += 1) {
    const registering = store.registerChunk(chained(chunks, n));
    const work = (async () => {
      try {
        const { digest } = await registering;
        expect(Buffer.from(digest)).toEqual(Buffer.from(chained(chunks, n).digest));
        await store.confirmChunk(chained(chunks, n));
        confirmed.push(n);
      } catch (error) {
        if (!isCertmillError(error) || error.code !== 'CONFLICT') throw error;
        refused.push(n);
      }
    })();
    const held = work.finally(() => inHand.delete(held));
    inHand.add(held);
    while (inHand.size >= chunksInHand) await Promise.race(inHand);
  }
  await Promise.all(inHand);
  return { confirmed, refused };
}

function requestsIn(chunks: readonly ChunkUnderTest[], numbers: readonly number[]): number {
  return numbers.reduce((sum, n) => sum + (chunks[n]?.registration.count ?? 0), 0);
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'done';
  } catch (error) {
    if (isCertmillError(error)) return error.code;
    throw error;
  }
}

describe('eight processes at once', () => {
  let fleet: Fleet;
  let stores: readonly MongoStore[];
  const clock = { nowMs: () => nowMs };
  const storeAt = (n: number): MongoStore => {
    const store = stores[n % processes];
    if (store === undefined) throw new Error('no such store');
    return store;
  };

  beforeAll(async () => {
    fleet = await aFleet();
    stores = await Promise.all(
      Array.from({ length: processes }, (_, n) => fleet.open({ clock, around: slowCalls(n) })),
    );
  });
  afterAll(() => fleet.close());

  async function openIn(tenant: string, name = 'b'): Promise<Batch> {
    await storeAt(0).createTenant(tenant, 1);
    await storeAt(0).createOrder(anOrder(tenant));
    return storeAt(0).openBatch(aBatch(tenant, name));
  }

  test('send the same upload over several buckets: each chunk is registered and counted once', async () => {
    const batch = await openIn('same');
    const chunks = chunksOf(batch, 150);
    await Promise.all(stores.map((store) => upload(store, chunks)));
    const total = requestsIn(chunks, [...chunks.keys()]);
    const ended = await Promise.all(
      stores.map((store) => store.completeUpload('same', batch.batchId, total, nowMs)),
    );
    for (const { nextIndex, counters } of ended) {
      expect({ nextIndex, accepted: counters.accepted }).toEqual({
        nextIndex: total,
        accepted: total,
      });
    }
    await expectBucketsToAddUp(fleet.database, 'same/');
    const numbers = await Promise.all(
      [0, 1, 2, 95, 96, 97, 190, 191, 224, 225].map(
        async (index) =>
          (await storeAt(index).findChunk('same', batch.batchId, index))?.chunkNumber,
      ),
    );
    expect(numbers).toEqual([0, 1, 1, 63, 64, 65, 127, 127, 149, undefined]);
  });

  test('send other requests under one key: what is stored is one of them from some chunk on', async () => {
    const batch = await openIn('other');
    const uploads = stores.map((_, n) => chunksOf(batch, 70, `of ${String(n)} `));
    await Promise.all(
      stores.map(async (store, n) => {
        const own = uploads[n] ?? [];
        for (let at = 0; at < own.length; at += 1) {
          const outcome = await codeOf(store.registerChunk(chained(own, at)));
          expect(['done', 'CONFLICT']).toContain(outcome);
        }
      }),
    );
    // The first chunk says whose batch it is: nobody else's follows its digest.
    const first = await storeAt(0).getRegistration(chained(uploads[0] ?? [], 0));
    const winner = uploads.find((own) => same(chained(own, 0).digest, first?.digest)) ?? [];
    for (let at = 0; at < 70; at += 1) {
      const stored = await storeAt(at).getRegistration(chained(winner, at));
      expect(same(chained(winner, at).digest, stored?.digest)).toBe(true);
    }
    await expectBucketsToAddUp(fleet.database, 'other/');
  });

  test('decide and publish the same chunks: quota, claims and counters come out even', async () => {
    const tenant = 'publish';
    const quota = 50;
    await storeAt(0).createTenant(tenant, 1);
    await storeAt(0).createOrder(anOrder(tenant, { quota }));
    const batches = await Promise.all(
      [0, 1].map((n) => storeAt(n).openBatch(aBatch(tenant, `b${String(n)}`))),
    );
    // The same devices in both batches, and 66 chunks: more than one bucket each.
    const chunks = batches.flatMap((batch) => [...chunksOf(batch, 66)]);
    await Promise.all(
      batches.map(async (batch, n) => {
        const own = chunks.filter(({ ref }) => ref.batchId === batch.batchId);
        await upload(storeAt(n), own);
        const total = requestsIn(own, [...own.keys()]);
        await storeAt(n).completeUpload(tenant, batch.batchId, total, nowMs);
      }),
    );
    const outcomes = new Map<ChunkUnderTest, string[]>();
    await Promise.all(
      Array.from({ length: processes }, async (_, worker) => {
        // Each begins elsewhere, and two do each chunk.
        for (let i = 0; i < chunks.length / 4; i += 1) {
          const chunk = chunks[(i * 4 + Math.floor(worker / 2)) % chunks.length];
          if (chunk === undefined) throw new Error('no such chunk');
          const verdict = decodeVerdict(await storeAt(worker).decide(chunk.decision));
          const terminal = chunk.terminal({ codes: verdict.codes });
          const outcome = await storeAt(worker).publish(terminal);
          outcomes.set(chunk, [...(outcomes.get(chunk) ?? []), outcome]);
        }
      }),
    );
    expect(outcomes.size).toBe(chunks.length);
    for (const each of outcomes.values()) {
      expect(each.toSorted()).toEqual(['already-published', 'published']);
    }
    const ended = await Promise.all(
      batches.map(({ batchId }) => storeAt(5).getBatch(tenant, batchId)),
    );
    let issued = 0;
    for (const batch of ended) {
      expect(batch?.completedAtMs).toBe(nowMs);
      const { counters } = batch ?? {};
      expect(counters).toMatchObject({ accepted: 99, cancelled: 0, deadLettered: 0 });
      expect((counters?.issued ?? 0) + (counters?.rejected ?? 0)).toBe(99);
      issued += counters?.issued ?? 0;
    }
    expect(issued).toBe(quota);
    for (const store of stores) expect(await store.reservedUnder(tenant, 'order')).toBe(quota);
    await expectBucketsToAddUp(fleet.database, `${tenant}/`);
  });

  test.each([1, 3, 20, 58, 62, 64, 66, 75])(
    'cancel a batch while others register and confirm it, at chunk %s: nothing comes after',
    async (at) => {
      const tenant = `cancel-${String(at)}`;
      const batch = await openIn(tenant);
      const chunks = chunksOf(batch, 100);
      const uploading = Promise.all([0, 1].map((n) => upload(storeAt(n), chunks)));
      const middle = chunks[at];
      if (middle === undefined) throw new Error('no such chunk');
      const deadlineMs = performance.now() + 120_000;
      while ((await storeAt(3).chunkState(middle.ref)) === undefined) {
        expect(performance.now()).toBeLessThan(deadlineMs);
      }
      const cancels = await Promise.all(
        [3, 4, 5].map((n) => storeAt(n).cancelBatch(tenant, batch.batchId, nowMs)),
      );
      const [cancelled] = cancels;
      for (const each of cancels) expect(each).toEqual(cancelled);
      const late = aChunk(batch, ['late'], { chunkNumber: 100, firstIndex: 10_000 });
      expect(await codeOf(storeAt(6).registerChunk(late.registration))).toBe('CONFLICT');
      const uploads = await uploading;
      const confirmed = [...new Set(uploads.flatMap((each) => each.confirmed))];
      const after = await storeAt(7).getBatch(tenant, batch.batchId);
      expect(after).toEqual(cancelled);
      expect(after?.counters.accepted).toBe(requestsIn(chunks, confirmed));
      for (const [n, chunk] of chunks.entries()) {
        const state = await storeAt(7).chunkState(chunk.ref);
        expect(state?.durable ?? false).toBe(confirmed.includes(n));
        if (state !== undefined) expect(state.cancelled).toBe(true);
        if (state?.durable === false) {
          expect(await codeOf(storeAt(n).confirmChunk(chunk.ref))).toBe('CONFLICT');
          expect(await codeOf(storeAt(n).decide(chunk.decision))).toBe('CONFLICT');
        }
      }
      await expectBucketsToAddUp(fleet.database, `${tenant}/`);
    },
  );

  test.each([5, 63, 64, 65])(
    'end an upload after %s chunks while others go on with it: one of the two is refused',
    async (count) => {
      const tenant = `total-${String(count)}`;
      const batch = await openIn(tenant);
      const chunks = chunksOf(batch, count + 3);
      await upload(storeAt(0), chunks.slice(0, count));
      const total = requestsIn(chunks, [...Array(count).keys()]);
      const [ending, going] = await Promise.all([
        codeOf(storeAt(1).completeUpload(tenant, batch.batchId, total, nowMs)),
        upload(storeAt(2), chunks),
      ]);
      const stored = await storeAt(3).getBatch(tenant, batch.batchId);
      if (ending === 'done') {
        expect(going.refused).toEqual([count, count + 1, count + 2]);
        expect(stored).toMatchObject({ total, nextIndex: total });
      } else {
        expect(ending).toBe('CONFLICT');
        expect(going.refused).toEqual([]);
        const all = requestsIn(chunks, [...chunks.keys()]);
        expect(stored?.total).toBeUndefined();
        const ended = await storeAt(4).completeUpload(tenant, batch.batchId, all, nowMs);
        expect(ended).toMatchObject({ total: all, nextIndex: all });
      }
      await expectBucketsToAddUp(fleet.database, `${tenant}/`);
    },
  );

  test('page through orders that were made at the same time: none is lost, none comes twice', async () => {
    const tenant = 'pages';
    const names = Array.from({ length: 40 }, (_, n) => `order-${String(n)}`);
    await Promise.all(
      names.map((orderId, n) => storeAt(n).createOrder(anOrder(tenant, { orderId }))),
    );
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await storeAt(seen.length).listOrders(tenant, {
        limit: 7,
        ...(cursor === undefined ? {} : { cursor }),
      });
      seen.push(...page.items.map(({ orderId }) => orderId));
      cursor = page.next;
    } while (cursor !== undefined);
    expect(seen.toSorted()).toEqual(names.toSorted());
  });
});

function same(left: Uint8Array, right: Uint8Array | undefined): boolean {
  return right !== undefined && Buffer.compare(left, right) === 0;
}
