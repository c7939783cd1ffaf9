import { setTimeout as sleep } from 'node:timers/promises';
import {
  inFlightOf,
  isCertmillError,
  stoppingFault,
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

/** What of a batch has not ended as far as is known, or is about to be sent. */
interface Share {
  onTheirWay: number;
  /** Of this batch, at the same time. */
  uploads: number;
}

/** What one tenant's uploads share. */
interface Tenant {
  readonly shares: Map<BatchId, Share>;
  /** The next look at the counters, for all that wait. */
  looking?: Promise<void>;
  lookedAtMs: number;
}

/**
 * Bounds what one tenant has in the log: an upload waits, and with it its socket, while more is on its
 * way. So a batch of ten millions stands before another tenant's as a window of it only, and two
 * tenants that upload share what the fleet does. Per process: N of them give a tenant N windows.
 */
export class TenantWindows {
  readonly #options: TenantWindowOptions;
  readonly #tenants = new Map<TenantId, Tenant>();

  constructor(options: TenantWindowOptions) {
    this.#options = options;
  }

  /** For one upload, until it is disposed. */
  open({ tenant: tenantId, batchId, counters }: Batch): TenantWindow {
    const fresh: Tenant = { shares: new Map(), lookedAtMs: -Infinity };
    const tenant = this.#tenants.get(tenantId) ?? fresh;
    this.#tenants.set(tenantId, tenant);
    // One that is resumed while its first upload still waits counts once.
    const share = tenant.shares.get(batchId) ?? { onTheirWay: inFlightOf(counters), uploads: 0 };
    tenant.shares.set(batchId, share);
    share.uploads += 1;
    return {
      enter: (count, signal) => this.#enter(tenantId, tenant, share, count, signal),
      [Symbol.dispose]: () => {
        share.uploads -= 1;
        if (share.uploads === 0) tenant.shares.delete(batchId);
        if (tenant.shares.size === 0) this.#tenants.delete(tenantId);
      },
    };
  }

  async #enter(
    tenantId: TenantId,
    tenant: Tenant,
    share: Share,
    count: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { maxRequests } = this.#options;
    while (onTheirWay(tenant) + count > maxRequests) {
      tenant.looking ??= this.#look(tenantId, tenant).finally(() => {
        delete tenant.looking;
      });
      await unlessAborted(tenant.looking, signal);
      // A window that is smaller than a chunk lets one at a time through.
      if (onTheirWay(tenant) === 0) break;
    }
    share.onTheirWay += count;
  }

  /** Chunks that are not confirmed yet are in nobody's count for a moment: a window may be over by them. */
  async #look(tenantId: TenantId, tenant: Tenant): Promise<void> {
    const { pollMs = defaultPollMs, batches } = this.#options;
    await sleep(Math.max(0, tenant.lookedAtMs + pollMs - performance.now()));
    await Promise.all(
      [...tenant.shares].map(async ([batchId, share]) => {
        const batch = await batches.getBatch(tenantId, batchId);
        share.onTheirWay = batch === undefined ? 0 : inFlightOf(batch.counters);
      }),
    );
    tenant.lookedAtMs = performance.now();
  }
}

function onTheirWay({ shares }: Tenant): number {
  let sum = 0;
  for (const share of shares.values()) sum += share.onTheirWay;
  return sum;
}

/** Throws what the signal aborts with, where that is one of our faults; else FAULT_STOPPING. */
async function unlessAborted(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return work;
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>();
  const abort = (): void => resolve(undefined);
  signal.addEventListener('abort', abort, { once: true });
  try {
    if (!signal.aborted) await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
  if (!signal.aborted) return;
  // Another waiter may be left without it, or none.
  work.catch(() => undefined);
  if (isCertmillError(signal.reason)) throw signal.reason;
  throw stoppingFault();
}

/** The window as one upload sees it. */
export interface TenantWindow extends Disposable {
  /** Resolves when so many requests may follow. Aborted first: the signal's reason, or FAULT_STOPPING. */
  enter(count: number, signal?: AbortSignal): Promise<void>;
}
