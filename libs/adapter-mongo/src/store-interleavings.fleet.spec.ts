import type { Batch } from '@certmill/domain';
import { aBatch, aChunk, anOrder, type ChunkUnderTest } from '@certmill/ports/conformance';
import type { MongoStore } from './mongo-store.js';
import { aFleet, type Fleet } from './testing/a-mongo-store.js';
import { HeldCalls } from './testing/held-calls.js';
import { nowMs } from './testing/issue-an-order.js';
import { expectBucketsToAddUp } from './testing/stored-buckets.js';

const bucket = 64;
const cause = { code: 'FAULT_PROCESSING', detail: '', stage: 'sign', topic: 't', place: '' };
const conflict: unknown = expect.objectContaining({ code: 'CONFLICT' });

/** Chunk n of a batch of single requests. */
function chunkAt(batch: Batch, n: number): ChunkUnderTest {
  return aChunk(batch, [`d${String(n)}`], { chunkNumber: n, firstIndex: n });
}

describe('what one process was about to do when another one', () => {
  let fleet: Fleet;
  let slow: MongoStore;
  let other: MongoStore;
  let tests = 0;
  let tenant = '';
  let batch: Batch;
  const calls = new HeldCalls();
  const clock = { nowMs: () => nowMs };

  beforeAll(async () => {
    fleet = await aFleet();
    slow = await fleet.open({ clock, around: calls.around });
    other = await fleet.open({ clock });
  });
  afterAll(() => fleet.close());
  beforeEach(async () => {
    tenant = `t${String((tests += 1))}`;
    await other.createTenant(tenant, 1);
    await other.createOrder(anOrder(tenant));
    batch = await other.openBatch(aBatch(tenant, 'b'));
  });
  afterEach(() => expectBucketsToAddUp(fleet.database, `${tenant}/`));

  async function registered(count: number, store = slow): Promise<void> {
    const numbers = [...Array(count).keys()];
    await Promise.all(numbers.map((n) => store.registerChunk(chunkAt(batch, n).registration)));
  }

  async function confirmed(count: number): Promise<void> {
    await registered(count);
    const numbers = [...Array(count).keys()];
    await Promise.all(numbers.map((n) => slow.confirmChunk(chunkAt(batch, n).ref)));
  }

  /** The outcome of a call that is held at a step until the other one is done. */
  async function heldOver<T>(step: string, call: () => Promise<T>, meanwhile: () => Promise<void>) {
    const held = calls.hold(step);
    const outcome = call().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    await held.reached;
    await meanwhile();
    held.release();
    return outcome;
  }

  const cancel = async (): Promise<void> => {
    await other.cancelBatch(tenant, batch.batchId, nowMs);
  };

  test.each([0, 1, bucket - 1, bucket, bucket + 1])(
    'cancelled the batch: registering chunk %s is refused',
    async (n) => {
      await registered(n);
      const step = n % bucket === 0 ? 'insert buckets' : 'update buckets';
      const call = () => slow.registerChunk(chunkAt(batch, n).registration);
      expect(await heldOver(step, call, cancel)).toEqual({ error: conflict });
      expect(await other.getRegistration(chunkAt(batch, n).ref)).toBeUndefined();
    },
  );

  test.each([0, bucket])('cancelled the batch: confirming chunk %s is refused', async (n) => {
    await registered(n + 1);
    const call = () => slow.confirmChunk(chunkAt(batch, n).ref);
    expect(await heldOver('update buckets', call, cancel)).toEqual({ error: conflict });
    const stored = await other.getBatch(tenant, batch.batchId);
    expect(stored).toMatchObject({ counters: { accepted: 0 }, completedAtMs: nowMs });
  });

  test('began a bucket: cancelling closes that one too', async () => {
    // By the other one, which then knows the first bucket as it was: full and open.
    await registered(bucket, other);
    const outcome = await heldOver(
      'insert buckets',
      () => slow.cancelBatch(tenant, batch.batchId, nowMs),
      async () => {
        await other.registerChunk(chunkAt(batch, bucket).registration);
      },
    );
    expect(outcome).toMatchObject({ value: { cancelledAtMs: nowMs } });
    await expect(other.confirmChunk(chunkAt(batch, bucket).ref)).rejects.toEqual(conflict);
    const next = chunkAt(batch, bucket + 1).registration;
    await expect(other.registerChunk(next)).rejects.toEqual(conflict);
  });

  test.each([0, 1, bucket - 1, bucket, bucket + 1])(
    'ended the upload after %s requests: registering one more is refused',
    async (n) => {
      await registered(n);
      const step = n % bucket === 0 ? 'insert buckets' : 'update buckets';
      const call = () => slow.registerChunk(chunkAt(batch, n).registration);
      const outcome = await heldOver(step, call, async () => {
        await other.completeUpload(tenant, batch.batchId, n, nowMs);
      });
      expect(outcome).toEqual({ error: conflict });
      expect(await other.getBatch(tenant, batch.batchId)).toMatchObject({ total: n });
    },
  );

  test.each([1, bucket - 1, bucket, bucket + 1])(
    'registered one more: ending the upload after %s requests is refused',
    async (n) => {
      await registered(n);
      const step = n % bucket === 0 ? 'insert buckets' : 'update buckets';
      const call = () => slow.completeUpload(tenant, batch.batchId, n, nowMs);
      const outcome = await heldOver(step, call, async () => {
        await other.registerChunk(chunkAt(batch, n).registration);
      });
      expect(outcome).toEqual({ error: conflict });
      const ended = await other.completeUpload(tenant, batch.batchId, n + 1, nowMs);
      expect(ended).toMatchObject({ total: n + 1 });
    },
  );

  test('ended the upload with another total: there is one total', async () => {
    await registered(2);
    const call = () => slow.completeUpload(tenant, batch.batchId, 3, nowMs);
    const outcome = await heldOver('update buckets', call, async () => {
      await other.completeUpload(tenant, batch.batchId, 2, nowMs);
    });
    expect(outcome).toEqual({ error: conflict });
    expect(await slow.getBatch(tenant, batch.batchId)).toMatchObject({ total: 2 });
  });

  test('confirmed the last chunk: its requests are in flight', async () => {
    await registered(1);
    await other.completeUpload(tenant, batch.batchId, 1, nowMs);
    // The sums of the buckets first, then the bucket that is not whole: that one is held.
    calls.hold('get buckets').release();
    const call = () => slow.getBatch(tenant, batch.batchId);
    const outcome = await heldOver('get buckets', call, async () => {
      await other.confirmChunk(chunkAt(batch, 0).ref);
    });
    expect(outcome).toMatchObject({ value: { nextIndex: 1, counters: { accepted: 1 } } });
    const stored = await other.getBatch(tenant, batch.batchId);
    expect(stored).toMatchObject({ nextIndex: 1, counters: { accepted: 1 } });
    expect(stored?.completedAtMs).toBeUndefined();
  });

  test('published the chunk: it is no dead letter', async () => {
    await confirmed(1);
    const chunk = chunkAt(batch, 0);
    await other.decide(chunk.decision);
    const call = () => slow.markDeadLettered(chunk.ref, cause);
    await heldOver('update buckets', call, async () => {
      await other.publish(chunk.terminal());
    });
    expect(await other.getDeadLetter(chunk.ref)).toBeUndefined();
    const stored = await other.getBatch(tenant, batch.batchId);
    expect(stored?.counters).toMatchObject({ issued: 1, deadLettered: 0 });
  });

  test.each(['publish', 'mark'])(
    'died between its segment and what follows: to %s it again does that',
    async (how) => {
      await confirmed(1);
      await other.completeUpload(tenant, batch.batchId, 1, nowMs);
      const chunk = chunkAt(batch, 0);
      await other.decide(chunk.decision);
      await heldOver(
        'update buckets',
        () => slow.publish(chunk.terminal()),
        async () => {
          expect(await other.getSegment(chunk.ref)).toBeDefined();
          expect(await other.chunkState(chunk.ref)).toMatchObject({ ended: false });
          if (how === 'mark') await other.markDeadLettered(chunk.ref, cause);
          else expect(await other.publish(chunk.terminal())).toBe('already-published');
          const stored = await other.getBatch(tenant, batch.batchId);
          expect(stored?.counters).toMatchObject({ accepted: 1, issued: 1, deadLettered: 0 });
          expect(stored?.completedAtMs).toBe(nowMs);
        },
      );
    },
  );

  test('noted the end of the batch: a retried dead letter opens it again, and its end is noted anew', async () => {
    await confirmed(1);
    const chunk = chunkAt(batch, 0);
    await other.completeUpload(tenant, batch.batchId, 1, nowMs);
    await other.markDeadLettered(chunk.ref, cause);
    const call = () => slow.getBatch(tenant, batch.batchId);
    await heldOver('get buckets', call, async () => {
      await other.retryDeadLetter(chunk.ref, nowMs);
    });
    expect((await other.getBatch(tenant, batch.batchId))?.completedAtMs).toBeUndefined();
    await other.decide(chunk.decision);
    await other.publish(chunk.terminal({ publishedAtMs: nowMs + 7 }));
    expect((await slow.getBatch(tenant, batch.batchId))?.completedAtMs).toBe(nowMs + 7);
  });
});
