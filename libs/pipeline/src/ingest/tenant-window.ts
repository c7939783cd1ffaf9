import { setTimeout as sleep } from 'node:timers/promises';
import {
  CertmillError,
  inFlightOf,
  type Batch,
  type BatchId,
  type TenantId,
} from '@certmill/domain';
import type { BatchStore } from '@certmill/ports';

export interface TenantWindowOptions {
  /** Requests of one tenant that uploads to this process have on their way at once. */
  readonly maxRequests: number;
  readonly batches: Pick<BatchStore, 'getBatch'>;
  /** Between two looks at the counters of the batches, while an upload waits. */
  readonly pollMs?: number;
}

const defaultPollMs = 100;

/** What an upload has sent of its batch, and what of the batch has not ended as far as is known. */
interface Share {
  readonly batchId: BatchId;
  onTheirWay: number;
}

/**
 * Bounds what one tenant has in the log: an upload waits, and with it its socket, while more is on its
 * way. So a batch of ten millions stands before another tenant's as a window of it only, and two
 * tenants that upload share what the fleet does. Per process: N of them give a tenant N windows.
 */
export class TenantWindows {
  readonly #options: TenantWindowOptions;
  readonly #shares = new Map<TenantId, Set<Share>>();

  constructor(options: TenantWindowOptions) {
    this.#options = options;
  }

  /** For one upload, until it is disposed. */
  open({ tenant, batchId, counters }: Batch): TenantWindow {
    const shares = this.#shares.get(tenant) ?? new Set();
    this.#shares.set(tenant, shares);
    const share: Share = { batchId, onTheirWay: inFlightOf(counters) };
    shares.add(share);
    return {
      enter: (count, signal) => this.#enter(tenant, share, count, signal),
      [Symbol.dispose]: () => {
        shares.delete(share);
        if (shares.size === 0) this.#shares.delete(tenant);
      },
    };
  }

  async #enter(
    tenant: TenantId,
    share: Share,
    count: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { maxRequests, pollMs = defaultPollMs } = this.#options;
    while (this.#onTheirWay(tenant) + count > maxRequests) {
      await this.#look(tenant);
      // A window that is smaller than a chunk lets one at a time through.
      const onTheirWay = this.#onTheirWay(tenant);
      if (onTheirWay === 0 || onTheirWay + count <= maxRequests) break;
      await sleep(pollMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
      if (signal?.aborted === true) {
        throw new CertmillError('FAULT_STOPPING', 'the server is stopping; go on when it is back');
      }
    }
    share.onTheirWay += count;
  }

  #onTheirWay(tenant: TenantId): number {
    let sum = 0;
    for (const { onTheirWay } of this.#shares.get(tenant) ?? []) sum += onTheirWay;
    return sum;
  }

  /** Chunks that are not confirmed yet are in nobody's count for a moment: a window may be over by them. */
  async #look(tenant: TenantId): Promise<void> {
    await Promise.all(
      [...(this.#shares.get(tenant) ?? [])].map(async (share) => {
        const batch = await this.#options.batches.getBatch(tenant, share.batchId);
        share.onTheirWay = batch === undefined ? 0 : inFlightOf(batch.counters);
      }),
    );
  }
}

/** The window as one upload sees it. */
export interface TenantWindow extends Disposable {
  /** Resolves when so many requests may follow. FAULT_STOPPING when the signal aborts first. */
  enter(count: number, signal?: AbortSignal): Promise<void>;
}
