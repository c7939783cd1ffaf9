import {
  CertmillError,
  frozenPageBatches,
  inFlightOf,
  type Batch,
  type FrozenBatch,
  type MassSelection,
  type Order,
  type OrderId,
  type TenantId,
} from '@certmill/domain';
import type { FrozenSelectionName } from '@certmill/ports';
import { allPages } from '../revoke/all-pages.js';
import type { MassPorts } from './mass-ports.js';

/** A call freezes so many within some ten seconds, and an operation works on as many for some hours. */
export const maxFrozenBatches = 2_000_000;

/** A selected batch with how far it has got now: what is received later is not in the selection. */
export interface SelectedBatch {
  readonly batch: FrozenBatch;
  /** Certificates that were issued or may still be: those of a selection are no more. */
  readonly certificates: number;
}

export interface SelectionSize {
  readonly batches: number;
  /** Requests of its batches, whatever became of them. */
  readonly requests: number;
  readonly certificates: number;
}

type FreezePorts = Pick<MassPorts, 'orders' | 'batches'>;

/**
 * The batches of a selection, read a page at a time. The site is of single devices, so it is looked at
 * later. Faults: INVALID_INPUT for a selection of nothing in particular, NOT_FOUND, LIMIT_EXCEEDED.
 */
export async function* selectedBatches(
  ports: FreezePorts,
  tenant: TenantId,
  selection: MassSelection,
): AsyncGenerator<SelectedBatch> {
  let count = 0;
  for await (const batch of batchesOf(ports, tenant, selection)) {
    const { batchId, orderId, nextIndex, counters } = batch;
    if (nextIndex === 0) continue;
    if ((count += 1) > maxFrozenBatches) {
      throw new CertmillError(
        'LIMIT_EXCEEDED',
        `more than ${String(maxFrozenBatches)} batches are selected: narrow the selection`,
      );
    }
    const certificates = counters.issued + inFlightOf(counters) + counters.deadLettered;
    yield { batch: { batchId, orderId, nextIndex }, certificates };
  }
}

/** Faults: those of `selectedBatches`. */
export async function sizeOf(selected: AsyncIterable<SelectedBatch>): Promise<SelectionSize> {
  let batches = 0;
  let requests = 0;
  let certificates = 0;
  for await (const { batch, certificates: of } of selected) {
    batches += 1;
    requests += batch.nextIndex;
    certificates += of;
  }
  return { batches, requests, certificates };
}

/**
 * Stores the batches of a selection, page by page, as they are now: durable when it resolves. What was
 * stored is dropped where it rejects. Faults: those of `selectedBatches`.
 */
export async function freezeSelection(
  ports: FreezePorts & Pick<MassPorts, 'operations'>,
  name: FrozenSelectionName,
  selection: MassSelection,
): Promise<SelectionSize> {
  const { operations } = ports;
  let page = 0;
  let batches: FrozenBatch[] = [];
  const put = async (): Promise<void> => {
    if (batches.length === 0) return;
    await operations.putFrozenPage(name, page, batches);
    page += 1;
    batches = [];
  };
  async function* stored(): AsyncGenerator<SelectedBatch> {
    for await (const selected of selectedBatches(ports, name.tenant, selection)) {
      if (batches.push(selected.batch) === frozenPageBatches) await put();
      yield selected;
    }
  }
  try {
    const size = await sizeOf(stored());
    await put();
    return size;
  } catch (error) {
    await operations.dropFrozen(name).catch(() => undefined);
    throw error;
  }
}

async function* batchesOf(
  ports: FreezePorts,
  tenant: TenantId,
  selection: MassSelection,
): AsyncGenerator<Batch> {
  const { batchId } = selection;
  const batch = batchId === undefined ? undefined : await ports.batches.getBatch(tenant, batchId);
  if (batchId !== undefined && batch === undefined) {
    throw new CertmillError('NOT_FOUND', `there is no batch '${batchId.slice(0, 80)}'`);
  }
  for await (const { orderId } of selectedOrders(ports, tenant, selection, batch?.orderId)) {
    if (batch !== undefined) yield batch;
    else yield* allPages((page) => ports.batches.listBatches(tenant, orderId, page));
  }
}

async function* selectedOrders(
  { orders }: Pick<MassPorts, 'orders'>,
  tenant: TenantId,
  selection: MassSelection,
  orderOfBatch: OrderId | undefined,
): AsyncGenerator<Order> {
  const { batchId, site, profileName, issuer, renewedBy } = selection;
  const orderId = selection.orderId ?? orderOfBatch;
  if ([orderId, batchId, site, profileName, issuer].every((part) => part === undefined)) {
    throw new CertmillError(
      'INVALID_INPUT',
      'say which certificates: by order, batch, site, profile or issuer',
    );
  }
  if (renewedBy !== undefined && (await orders.getOrder(tenant, renewedBy)) === undefined) {
    throw new CertmillError('NOT_FOUND', `there is no order '${renewedBy.slice(0, 80)}'`);
  }
  const isSelected = (order: Order): boolean =>
    order.orderId !== renewedBy &&
    (orderOfBatch === undefined || order.orderId === orderOfBatch) &&
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
