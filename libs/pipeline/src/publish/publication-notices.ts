import type { BatchId, ChunkRef } from '@certmill/domain';
import { decodePublishedChunk, groups, topics } from '@certmill/events';
import type { EventLog, Subscription } from '@certmill/ports';

/** Somebody who hears of publications from when it was made until it is disposed. */
export interface Listener extends Disposable {
  /** Resolves once something was heard, or after `pollMs`, or when the signal aborts. */
  heard(pollMs: number, signal?: AbortSignal): Promise<void>;
}

/**
 * Wakes those who wait for a batch or a chunk of it. A notice is only a hint (it may be lost with its
 * process): waiters look at the store when woken and at least once per `pollMs`. Whoever listens before
 * it looks misses nothing in between.
 */
export class PublicationNotices {
  readonly #listeners = new Map<string, Set<() => void>>();

  /** Hears of every chunk of the batch that ends. */
  ofBatch(batchId: BatchId): Listener {
    return this.#listen(batchId);
  }

  /** Hears of the end of one chunk. */
  ofChunk({ batchId, chunkNumber }: Pick<ChunkRef, 'batchId' | 'chunkNumber'>): Listener {
    return this.#listen(chunkKey(batchId, chunkNumber));
  }

  notify(batchId: BatchId, chunkNumber: number): void {
    for (const key of [batchId, chunkKey(batchId, chunkNumber)]) {
      for (const tell of this.#listeners.get(key) ?? []) tell();
    }
  }

  /** @param group of this process alone, where others listen to the same log. */
  async subscribe(
    log: Pick<EventLog, 'subscribe'>,
    group: string = groups.notify,
  ): Promise<Subscription> {
    return log.subscribe({
      topic: topics.certificatesPublished,
      group,
      from: 'latest',
      concurrency: 64,
      handler: (record) => {
        const hint = hintOf(record.value);
        if (hint !== undefined) this.notify(hint.batchId, hint.chunkNumber);
        return Promise.resolve();
      },
    });
  }

  #listen(key: string): Listener {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners);
    const tell = (): void => {
      resolve(undefined);
    };
    listeners.add(tell);
    return {
      async heard(pollMs, signal) {
        if (signal?.aborted === true) return;
        const timer = setTimeout(tell, pollMs);
        signal?.addEventListener('abort', tell, { once: true });
        await promise;
        clearTimeout(timer);
        signal?.removeEventListener('abort', tell);
      },
      [Symbol.dispose]: () => {
        if (listeners.delete(tell) && listeners.size === 0) this.#listeners.delete(key);
      },
    };
  }
}

/** Undefined where it cannot be read: a hint that is lost is no loss, and has no dead-letter topic. */
function hintOf(value: Uint8Array): ReturnType<typeof decodePublishedChunk> | undefined {
  try {
    return decodePublishedChunk(value);
  } catch {
    return undefined;
  }
}

function chunkKey(batchId: BatchId, chunkNumber: number): string {
  return `${batchId}.${String(chunkNumber)}`;
}
