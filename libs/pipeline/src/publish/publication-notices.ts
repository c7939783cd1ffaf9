import { decodePublishedChunk, groups, topics } from '@certmill/events';
import type { EventLog, Subscription } from '@certmill/ports';

/**
 * Wakes those who wait for a batch to move. A notice is only a hint (it may be lost with its process):
 * waiters look at the store when woken and at least once per `pollMs`.
 */
export class PublicationNotices {
  readonly #waiters = new Map<string, Set<() => void>>();

  /** Resolves at the next notice for the batch, or after `pollMs`, or when the signal aborts. */
  async moved(batchId: string, pollMs: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const waiters = this.#waiters.get(batchId) ?? new Set();
    this.#waiters.set(batchId, waiters);
    const wake = (): void => {
      resolve(undefined);
    };
    waiters.add(wake);
    const timer = setTimeout(wake, pollMs);
    signal?.addEventListener('abort', wake, { once: true });
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', wake);
      waiters.delete(wake);
      if (waiters.size === 0) this.#waiters.delete(batchId);
    }
  }

  notify(batchId: string): void {
    for (const resolve of this.#waiters.get(batchId) ?? []) resolve();
  }

  async subscribe(log: EventLog): Promise<Subscription> {
    return log.subscribe({
      topic: topics.certificatesPublished,
      group: groups.notify,
      concurrency: 64,
      handler: (record) => {
        this.notify(decodePublishedChunk(record.value).batchId);
        return Promise.resolve();
      },
    });
  }
}
