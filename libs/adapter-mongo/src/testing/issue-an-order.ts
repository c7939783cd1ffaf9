import assert from 'node:assert/strict';
import { isCertmillError, rejectionNumber } from '@certmill/domain';
import { decodeVerdict } from '@certmill/events';
import { aBatch, aChange, aChunk, anOrder, type ChunkUnderTest } from '@certmill/ports/conformance';
import type { MongoStore } from '../mongo-store.js';

export const nowMs = Date.UTC(2026, 0, 1, 1);
const unavailable = rejectionNumber('ISSUER_UNAVAILABLE');
const triesPerCall = 4;
const cause = { code: 'FAULT_PROCESSING', detail: '', stage: 'sign', topic: 't', place: '0:1' };

/** Told after each step, so that a test can stop there or count. */
export interface Issuing {
  /** Calls that failed in a way that says: again. */
  failures: number;
}

async function* rows(...deviceIds: readonly string[]) {
  for (const deviceId of deviceIds) yield await Promise.resolve({ deviceId });
}

/**
 * Everything that a store does for an order, one call after the other, each tried again after a fault
 * that says so: an allow-list, a batch with an issued, a given back and a dead-lettered chunk, one that
 * is cancelled, a revocation. Doing it all again, in another process too, changes nothing.
 */
export async function issueAnOrder(store: MongoStore, tenant: string): Promise<Issuing> {
  const issuing: Issuing = { failures: 0 };
  const again = async <T>(call: () => Promise<T>): Promise<T> => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await call();
      } catch (error) {
        const mayRetry = isCertmillError(error) && error.disposition === 'retry';
        if (!mayRetry || tries === triesPerCall) throw error;
        issuing.failures += 1;
      }
    }
  };
  const batch = aBatch(tenant, 'whole');
  const chunks = [0, 1, 2].map((n) =>
    aChunk(batch, [`a${String(n)}`, `b${String(n)}`], { chunkNumber: n, firstIndex: n * 2 }),
  );
  const [issued, givenBack, dead] = chunks;
  assert.ok(issued && givenBack && dead);
  await again(() => store.createTenant(tenant, 1));
  await again(() => store.createOrder(anOrder(tenant, { quota: 3 })));
  await again(() => store.importAllowList(tenant, 'order', rows('a0', 'b0')));
  await again(() => store.openBatch(batch));
  for (const chunk of chunks) await again(() => store.registerChunk(chunk.registration));
  for (const chunk of chunks) await again(() => store.confirmChunk(chunk.ref));
  await again(() => store.completeUpload(tenant, batch.batchId, 6, nowMs));

  const publish = async (chunk: ChunkUnderTest, changes = {}): Promise<void> => {
    const verdict = decodeVerdict(await again(() => store.decide(chunk.decision)));
    const { codes } = verdict;
    await again(() => store.publish(chunk.terminal({ codes, publishedAtMs: nowMs, ...changes })));
  };
  await publish(givenBack, { codes: [unavailable, unavailable], released: [2, 3] });
  await publish(issued);
  await again(() => store.markDeadLettered(dead.ref, cause));
  await again(() => store.retryDeadLetter(dead.ref, nowMs));
  await publish(dead);
  const change = { kind: 'revoke', reason: 'keyCompromise', revokedAtMs: nowMs } as const;
  await again(() => store.changeStatuses([aChange(issued, 0, change)]));

  const stopped = aBatch(tenant, 'stopped', { createdAtMs: nowMs + 1 });
  const [known, late] = [
    aChunk(stopped, ['c0']),
    aChunk(stopped, ['c1'], { chunkNumber: 1, firstIndex: 1 }),
  ];
  await again(() => store.openBatch(stopped));
  await again(() => store.registerChunk(known.registration));
  await again(() => store.confirmChunk(known.ref));
  await again(() => store.registerChunk(late.registration));
  await again(() => store.cancelBatch(tenant, stopped.batchId, nowMs));
  const refusal: unknown = await again(() => store.confirmChunk(late.ref)).catch(
    (error: unknown) => error,
  );
  assert.ok(isCertmillError(refusal), 'a late chunk was confirmed');
  if (refusal.code !== 'CONFLICT') throw refusal;
  await publish(known);
  return issuing;
}

/** All that the ports tell of the order. */
export async function whatIsStored(store: MongoStore, tenant: string) {
  const { items } = await store.listBatches(tenant, 'order', { limit: 10 });
  // With a clock that stands still, the listing does not tell which of two processes was first.
  const batches = items.toSorted((a, b) => a.createdAtMs - b.createdAtMs);
  const verdicts: unknown[] = [];
  const segments: unknown[] = [];
  const states: unknown[] = [];
  for (const { batchId } of batches) {
    for (let chunkNumber = 0; chunkNumber < 3; chunkNumber += 1) {
      const ref = { tenant, batchId, chunkNumber };
      const verdict = await store.getVerdict(ref);
      verdicts.push(verdict && decodeVerdict(verdict).codes);
      const segment = await store.getSegment(ref);
      segments.push(segment && Buffer.from(segment).toString());
      states.push(await store.chunkState(ref));
    }
  }
  const found = await store.findByDevice(tenant, 'a0', 5);
  const query = ['a0', 'a1'].map((deviceId) => ({ deviceId, udid: new Uint8Array(32) }));
  const [whole] = batches.filter(({ idempotencyKey }) => idempotencyKey === 'whole');
  return {
    batches: batches.map(({ tenant: _tenant, batchId: _batchId, ...rest }) => rest),
    order: (await store.getOrder(tenant, 'order'))?.allowListDevices,
    listed: await store.lookUp(tenant, 'order', query),
    reserved: await store.reservedUnder(tenant, 'order'),
    verdicts,
    segments,
    states,
    found: found.map(({ index }) => index),
    status: whole && (await store.getStatus(tenant, whole.batchId, 0)),
    letters: whole && (await store.listDeadLetters(tenant, whole.batchId, { limit: 5 })).items,
  };
}
