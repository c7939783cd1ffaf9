import {
  CertmillError,
  inFlightOf,
  type FrozenBatch,
  type MassSelection,
  type Order,
  type TenantId,
} from '@certmill/domain';
import { allPages } from '../revoke/all-pages.js';
import type { MassPorts } from './mass-ports.js';

/** A selection of more would be read and written as a whole: some 4 MB. */
export const maxFrozenBatches = 50_000;

export interface FrozenSelection {
  readonly batches: readonly FrozenBatch[];
  /** Requests of them, whatever became of them. */
  readonly requests: number;
  /** Certificates that were issued or may still be: those of a selection are no more. */
  readonly certificates: number;
}

/**
 * The batches of a selection with how far each has got now: what is received later is not in it. The
 * site is of single devices, so it is looked at later. Faults: INVALID_INPUT for a selection of nothing
 * in particular, NOT_FOUND, LIMIT_EXCEEDED.
 */
export async function freezeSelection(
  ports: Pick<MassPorts, 'orders' | 'batches'>,
  tenant: TenantId,
  selection: MassSelection,
): Promise<FrozenSelection> {
  const batches: FrozenBatch[] = [];
  let requests = 0;
  let certificates = 0;
  for await (const { orderId } of selectedOrders(ports, tenant, selection)) {
    for await (const batch of allPages((page) =>
      ports.batches.listBatches(tenant, orderId, page),
    )) {
      const { batchId, nextIndex, counters } = batch;
      if (nextIndex === 0) continue;
      if (batches.length === maxFrozenBatches) {
        throw new CertmillError(
          'LIMIT_EXCEEDED',
          `more than ${String(maxFrozenBatches)} batches are selected: narrow the selection`,
        );
      }
      batches.push({ batchId, orderId, nextIndex });
      requests += nextIndex;
      certificates += counters.issued + inFlightOf(counters) + counters.deadLettered;
    }
  }
  return { batches, requests, certificates };
}

async function* selectedOrders(
  { orders }: Pick<MassPorts, 'orders'>,
  tenant: TenantId,
  selection: MassSelection,
): AsyncGenerator<Order> {
  const { orderId, site, profileName, issuer, renewedBy } = selection;
  if ([orderId, site, profileName, issuer].every((part) => part === undefined)) {
    throw new CertmillError(
      'INVALID_INPUT',
      'say which certificates: by order, site, profile or issuer',
    );
  }
  if (renewedBy !== undefined && (await orders.getOrder(tenant, renewedBy)) === undefined) {
    throw new CertmillError('NOT_FOUND', `there is no order '${renewedBy.slice(0, 80)}'`);
  }
  const isSelected = (order: Order): boolean =>
    order.orderId !== renewedBy &&
    (profileName === undefined || order.profileName === profileName) &&
    (issuer === undefined || order.issuer === issuer);
  if (orderId !== undefined) {
    const order = await orders.getOrder(tenant, orderId);
    if (order === undefined) throw new CertmillError('NOT_FOUND', `there is no order '${orderId}'`);
    if (isSelected(order)) yield order;
    return;
  }
  for await (const order of allPages((page) => orders.listOrders(tenant, page))) {
    if (isSelected(order)) yield order;
  }
}
