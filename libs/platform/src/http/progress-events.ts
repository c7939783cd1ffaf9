import { isComplete, type BatchId, type TenantId } from '@certmill/domain';
import { batchView } from './batch-view.js';
import type { IssuanceServices } from './services.js';

/** At most four events a second, and a comment at least every 15 s so that proxies keep the line. */
const minGapMs = 250;
const heartbeatMs = 15_000;

/**
 * Server-sent events: `progress` with the batch view whenever it changed, then `complete` and the end.
 * Each event holds the whole view, so a client that comes back (Last-Event-ID) misses nothing.
 * `stopping` is the last event where the server stops first.
 */
export async function* progressEvents(
  services: Pick<IssuanceServices, 'batches' | 'results' | 'clock'>,
  tenant: TenantId,
  batchId: BatchId,
  signals: { readonly gone: AbortSignal; readonly stopping: AbortSignal },
): AsyncGenerator<Uint8Array> {
  const signal = AbortSignal.any([signals.gone, signals.stopping]);
  let last = '';
  let id = 0;
  let saidAtMs = performance.now();
  while (!signal.aborted) {
    using publication = services.results.notices.ofBatch(batchId);
    const batch = await services.batches.getBatch(tenant, batchId);
    if (batch === undefined) return;
    const fingerprint = JSON.stringify([
      batch.nextIndex,
      batch.total,
      batch.cancelledAtMs,
      batch.counters,
    ]);
    if (fingerprint !== last || isComplete(batch)) {
      last = fingerprint;
      saidAtMs = performance.now();
      const name = isComplete(batch) ? 'complete' : 'progress';
      const data = JSON.stringify(batchView(batch, services.clock.nowMs()));
      yield Buffer.from(`event: ${name}\nid: ${++id}\ndata: ${data}\n\n`);
      if (isComplete(batch)) return;
    } else if (performance.now() - saidAtMs > heartbeatMs) {
      saidAtMs = performance.now();
      yield Buffer.from(': still here\n\n');
    }
    const pause = performance.now() + minGapMs;
    await publication.heard(minGapMs * 4, signal);
    const left = pause - performance.now();
    if (left > 0) await delay(left, signal);
  }
  if (!signals.gone.aborted) yield Buffer.from('event: stopping\ndata: {}\n\n');
}

async function delay(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const end = (): void => resolve(undefined);
  const timer = setTimeout(end, ms);
  signal.addEventListener('abort', end);
  await promise;
  clearTimeout(timer);
  signal.removeEventListener('abort', end);
}
