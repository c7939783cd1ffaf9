import { isCertmillError } from '@certmill/domain';
import { decodeVerdict } from '@certmill/events';
import { aBatch, aChunk, anOrder, type ChunkUnderTest } from '@certmill/ports/conformance';
import type { EmbeddedStore } from './embedded-store.js';

export const tenant = 'factory';
/** Fewer than there are devices, so that the quota has to say no. */
export const quota = 30;
export const chunkCount = 9;
const devicesPerChunk = 4;
const triesPerCall = 3;

export const order = anOrder(tenant, { quota });
export const batch = aBatch(tenant, 'fleet');

/** What all devices had before, and what has expired since: each request takes over a claim. */
const before = anOrder(tenant, { orderId: 'before' });
const batchBefore = aBatch(tenant, 'before', { orderId: 'before' });
const chunkBefore = aChunk(batchBefore, devicesFrom(0, chunkCount * devicesPerChunk));
const endedMs = chunkBefore.registration.receivedAtMs - 1_000;

export function chunkOf(chunkNumber: number): ChunkUnderTest {
  const firstIndex = chunkNumber * devicesPerChunk;
  return aChunk(batch, devicesFrom(firstIndex, devicesPerChunk), { chunkNumber, firstIndex });
}

function devicesFrom(first: number, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `d${String(first + i)}`);
}

/** What was acknowledged: the verdicts by chunk number as hex, and the chunks that ended. */
export type Acknowledge = (what: 'decided' | 'published', chunk: number, verdict: string) => void;

/**
 * Issues to the whole fleet, three chunks at a time, as the stages do: each call is tried again after
 * a fault that says so. Doing it again from the start, in another process, changes nothing.
 * @returns How many calls failed and were tried again.
 */
export async function issueFleet(store: EmbeddedStore, acknowledge: Acknowledge): Promise<number> {
  let failures = 0;
  const again = <T>(call: () => Promise<T>): Promise<T> =>
    tryAgain(call, () => {
      failures += 1;
    });
  await again(() => store.createTenant(tenant, 1));
  for (const one of [before, order]) await again(() => store.createOrder(one));
  for (const one of [batchBefore, batch]) await again(() => store.openBatch(one));
  await again(() => store.registerChunk(chunkBefore.registration));
  await again(() => store.confirmChunk(chunkBefore.ref));
  await again(() => store.decide(chunkBefore.decision));
  await again(() => store.publish(chunkBefore.terminal({ notAfterMs: endedMs })));
  // Chunks of a batch are registered one after the other, as an upload does.
  let registered: Promise<unknown> = Promise.resolve();
  const register = (chunk: ChunkUnderTest): Promise<unknown> =>
    (registered = registered.then(() => again(() => store.registerChunk(chunk.registration))));
  let next = 0;
  const work = async (): Promise<void> => {
    for (let n = next++; n < chunkCount; n = next++) {
      const chunk = chunkOf(n);
      await register(chunk);
      await again(() => store.confirmChunk(chunk.ref));
      const verdict = Buffer.from(await again(() => store.decide(chunk.decision))).toString('hex');
      acknowledge('decided', n, verdict);
      const codes = codesOf(chunk, verdict);
      await again(() => store.publish(chunk.terminal({ codes })));
      acknowledge('published', n, verdict);
    }
  };
  await Promise.all([work(), work(), work()]);
  await again(() => store.completeUpload(tenant, batch.batchId, chunkCount * devicesPerChunk, 1));
  return failures;
}

async function tryAgain<T>(call: () => Promise<T>, onFailure: () => void): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await call();
    } catch (error) {
      const mayRetry = isCertmillError(error) && error.disposition === 'retry';
      if (!mayRetry || tries === triesPerCall) throw error;
      onFailure();
    }
  }
}

export function codesOf(chunk: ChunkUnderTest, verdictHex: string): readonly number[] {
  return decodeVerdict(Buffer.from(verdictHex, 'hex')).codes.slice(0, chunk.decision.codes.length);
}
