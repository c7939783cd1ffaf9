import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { CertmillError, type Order, type OrderId, type TenantId } from '@certmill/domain';
import type { Page, PageRequest } from '@certmill/ports';
import { cursorSeq, pageLimit, pageOf } from './page-cursor.js';
import { numberIn, optionalNumberIn, optionalTextIn, present, textIn, type Row } from './rows.js';

/** An order with what it has promised so far. */
export interface OrderAccount {
  readonly seq: number;
  readonly quota: number;
  readonly reserved: number;
  readonly expiresAtMs: number;
  readonly isClosed: boolean;
  readonly renews: boolean;
}

/** Orders and their quota, as OrderStore of @certmill/ports has them. */
export class OrderTable {
  readonly #db: DatabaseSync;
  readonly #get: StatementSync;
  readonly #reserve: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#get = db.prepare('SELECT * FROM orders WHERE tenant = ? AND order_id = ?');
    this.#reserve = db.prepare('UPDATE orders SET reserved = reserved + ? WHERE seq = ?');
  }

  createOrder(order: Order): boolean {
    return (
      this.#db
        .prepare(
          `INSERT INTO orders (tenant, order_id, profile_name, profile_hash, issuer, quota,
             requires_allow_list, renews, reissues, created_at_ms, expires_at_ms, closed_at_ms)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
        )
        .run(
          order.tenant,
          order.orderId,
          order.profileName,
          order.profileHash,
          order.issuer,
          order.quota,
          order.requiresAllowList ? 1 : 0,
          order.renews === true ? 1 : 0,
          order.reissues === true ? 1 : 0,
          order.createdAtMs,
          order.expiresAtMs,
          order.closedAtMs ?? null,
        ).changes === 1
    );
  }

  getOrder(tenant: TenantId, orderId: OrderId): Order | undefined {
    const row = this.#get.get(tenant, orderId);
    return row && orderOf(row);
  }

  listOrders(tenant: TenantId, page: PageRequest): Page<Order> {
    const limit = pageLimit(page);
    const rows = this.#db
      .prepare('SELECT * FROM orders WHERE tenant = ? AND seq < ? ORDER BY seq DESC LIMIT ?')
      .all(tenant, cursorSeq(page) ?? Number.MAX_SAFE_INTEGER, limit + 1);
    return pageOf(rows, limit, orderOf, (row) => String(numberIn(row, 'seq')));
  }

  closeOrder(tenant: TenantId, orderId: OrderId, atMs: number): Order | undefined {
    this.#db
      .prepare(
        `UPDATE orders SET closed_at_ms = ?
         WHERE tenant = ? AND order_id = ? AND closed_at_ms IS NULL`,
      )
      .run(atMs, tenant, orderId);
    return this.getOrder(tenant, orderId);
  }

  reservedUnder(tenant: TenantId, orderId: OrderId): number {
    return this.account(tenant, orderId)?.reserved ?? 0;
  }

  account(tenant: TenantId, orderId: OrderId): OrderAccount | undefined {
    const row = this.#get.get(tenant, orderId);
    return (
      row && {
        seq: numberIn(row, 'seq'),
        quota: numberIn(row, 'quota'),
        reserved: numberIn(row, 'reserved'),
        expiresAtMs: numberIn(row, 'expires_at_ms'),
        isClosed: row['closed_at_ms'] !== null,
        renews: row['renews'] === 1,
      }
    );
  }

  /** Takes quota, or with a negative count gives it back. The caller has looked at the account. */
  reserve(account: OrderAccount, count: number): void {
    this.#reserve.run(count, account.seq);
  }

  /** Puts a list in force; returns the id of the one before. Faults: NOT_FOUND. */
  switchAllowList(
    tenant: TenantId,
    orderId: OrderId,
    allowListId: string,
    devices: number,
  ): string | undefined {
    const order = this.getOrder(tenant, orderId);
    if (order === undefined) {
      throw new CertmillError('NOT_FOUND', `there is no order ${orderId}`);
    }
    this.#db
      .prepare(
        `UPDATE orders SET allow_list_id = ?, allow_list_devices = ?
         WHERE tenant = ? AND order_id = ?`,
      )
      .run(allowListId, devices, tenant, orderId);
    return order.allowListId;
  }

  /** Every list that is in force for an order. */
  allowListIds(): string[] {
    return this.#db
      .prepare('SELECT allow_list_id FROM orders WHERE allow_list_id IS NOT NULL')
      .all()
      .map((row) => textIn(row, 'allow_list_id'));
  }
}

export function orderOf(row: Row): Order {
  return {
    tenant: textIn(row, 'tenant'),
    orderId: textIn(row, 'order_id'),
    profileName: textIn(row, 'profile_name'),
    profileHash: textIn(row, 'profile_hash'),
    issuer: textIn(row, 'issuer'),
    quota: numberIn(row, 'quota'),
    requiresAllowList: numberIn(row, 'requires_allow_list') === 1,
    ...(row['renews'] === 1 ? { renews: true } : {}),
    ...(row['reissues'] === 1 ? { reissues: true } : {}),
    createdAtMs: numberIn(row, 'created_at_ms'),
    expiresAtMs: numberIn(row, 'expires_at_ms'),
    ...present('closedAtMs', optionalNumberIn(row, 'closed_at_ms')),
    ...present('allowListId', optionalTextIn(row, 'allow_list_id')),
    ...present('allowListDevices', optionalNumberIn(row, 'allow_list_devices')),
  };
}
