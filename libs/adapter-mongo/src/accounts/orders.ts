import type { Order, OrderId, TenantId } from '@certmill/domain';
import type { Page, PageRequest } from '@certmill/ports';
import type { Collections } from '../collections.js';
import { BoundedCache } from '../connection/bounded-cache.js';
import type { Stored } from '../connection/documents.js';
import { SharedRun } from '../connection/shared-run.js';
import { listingKeyPattern, type ListingKeys } from '../listing-keys.js';
import { cursorPlace, pageLimit, pageOf } from '../page-cursor.js';

/** `_id`: `<tenant>/<order>`. */
export type OrderDocument = Stored &
  Order & {
    /** Of `ListingKeys`. */
    readonly listedAs: string;
    /** Of the packed list in force. */
    readonly allowListFile?: { readonly bytes: number; readonly sha256: Uint8Array };
    /** Imports under way, by list id; whoever is not named here any more may not end. */
    readonly imports?: Readonly<Record<string, number>>;
  };

const readsKept = 1_024;

export function orderKey(tenant: TenantId, orderId: OrderId): string {
  return `${tenant}/${orderId}`;
}

/** Orders; their quota is the journal's. */
export class Orders {
  readonly #orders: Collections['orders'];
  readonly #listingKeys: ListingKeys;
  readonly #reads = new BoundedCache<SharedRun<OrderDocument | undefined>>(readsKept);

  constructor({ orders }: Pick<Collections, 'orders'>, listingKeys: ListingKeys) {
    this.#orders = orders;
    this.#listingKeys = listingKeys;
  }

  async createOrder(order: Order): Promise<boolean> {
    const _id = orderKey(order.tenant, order.orderId);
    const listedAs = this.#listingKeys.next();
    return (await this.#orders.insert({ _id, ...orderOf(order), listedAs })) === 'inserted';
  }

  async getOrder(tenant: TenantId, orderId: OrderId): Promise<Order | undefined> {
    const found = await this.stored(tenant, orderId);
    return found && orderOf(found);
  }

  /** As it is stored. Reads of one order that wait for each other are one, begun after each call. */
  stored(tenant: TenantId, orderId: OrderId): Promise<OrderDocument | undefined> {
    const key = orderKey(tenant, orderId);
    let read = this.#reads.get(key);
    if (read === undefined) {
      read = new SharedRun(() => this.#orders.get(key));
      this.#reads.set(key, read);
    }
    return read.run();
  }

  /** All shards look into their index by tenant and listing key. */
  async listOrders(tenant: TenantId, page: PageRequest): Promise<Page<Order>> {
    const limit = pageLimit(page);
    const before = cursorPlace(page, listingKeyPattern);
    const where = before === undefined ? { tenant } : { tenant, listedAs: { $lt: before } };
    const found = await this.#orders.find(where, { sort: { listedAs: -1 }, limit: limit + 1 });
    return pageOf(found, limit, orderOf, ({ listedAs }) => listedAs);
  }

  async closeOrder(tenant: TenantId, orderId: OrderId, atMs: number): Promise<Order | undefined> {
    const _id = orderKey(tenant, orderId);
    await this.#orders.update({ _id, closedAtMs: null }, { $set: { closedAtMs: atMs } });
    return this.getOrder(tenant, orderId);
  }
}

/** Only what an order is made of. */
function orderOf(order: Order): Order {
  const { requestsPerChunk, closedAtMs, allowListId, allowListDevices } = order;
  return {
    tenant: order.tenant,
    orderId: order.orderId,
    profileName: order.profileName,
    profileHash: order.profileHash,
    issuer: order.issuer,
    ...(requestsPerChunk === undefined ? {} : { requestsPerChunk }),
    quota: order.quota,
    requiresAllowList: order.requiresAllowList,
    ...(order.renews === true ? { renews: true } : {}),
    ...(order.reissues === true ? { reissues: true } : {}),
    createdAtMs: order.createdAtMs,
    expiresAtMs: order.expiresAtMs,
    ...(closedAtMs === undefined ? {} : { closedAtMs }),
    ...(allowListId === undefined ? {} : { allowListId }),
    ...(allowListDevices === undefined ? {} : { allowListDevices }),
  };
}
