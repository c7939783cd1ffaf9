import { CertmillError, type TenantId } from '@certmill/domain';
import type { BatchStore, OrderStore } from '@certmill/ports';
import { allPages } from './all-pages.js';
import type { Selection } from './select-certificates.js';

export interface CountPorts {
  readonly orders: Pick<OrderStore, 'listOrders'>;
  readonly batches: Pick<BatchStore, 'getBatch' | 'listBatches'>;
}

/**
 * Refuses a selection of more certificates than one call is for, by the counters of its batches. Faults:
 * LIMIT_EXCEEDED; the reason of `signal` once it aborts.
 */
export async function assertSelectable(
  ports: CountPorts,
  tenants: readonly TenantId[],
  selection: Selection,
  { maxCertificates, signal }: { readonly maxCertificates: number; readonly signal: AbortSignal },
): Promise<void> {
  let issued = 0;
  for await (const count of issuedIn(ports, tenants, selection)) {
    signal.throwIfAborted();
    issued += count;
    if (issued > maxCertificates) {
      throw new CertmillError(
        'LIMIT_EXCEEDED',
        `more than ${String(maxCertificates)} certificates are selected: begin a mass operation`,
      );
    }
  }
}

/** Certificates of each of its batches. What is named one by one has no batches of its own. */
async function* issuedIn(
  ports: CountPorts,
  tenants: readonly TenantId[],
  selection: Selection,
): AsyncGenerator<number> {
  if (selection.by === 'names') return;
  for (const tenant of tenants) {
    if (selection.by === 'batch') {
      yield (await ports.batches.getBatch(tenant, selection.batchId))?.counters.issued ?? 0;
    } else if (selection.by === 'order') {
      yield* issuedUnder(ports, tenant, selection.orderId);
    } else {
      for await (const order of allPages((page) => ports.orders.listOrders(tenant, page))) {
        if (order.issuer === selection.issuer) yield* issuedUnder(ports, tenant, order.orderId);
      }
    }
  }
}

async function* issuedUnder(
  { batches }: Pick<CountPorts, 'batches'>,
  tenant: TenantId,
  orderId: string,
): AsyncGenerator<number> {
  for await (const { counters } of allPages((page) => batches.listBatches(tenant, orderId, page))) {
    yield counters.issued;
  }
}
