import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { CertmillError, type OrderId, type TenantId } from '@certmill/domain';
import { buildAllowList } from '@certmill/packed';
import type { AllowListQuery, AllowListRow, AllowListStore, Clock } from '@certmill/ports';
import { orderKey, type OrderDocument, type Orders } from '../accounts/orders.js';
import type { Documents } from '../connection/documents.js';
import type { AllowListBlobs, FileProof, ListName } from './allow-list-blobs.js';
import type { LocalLists } from './local-lists.js';

export interface AllowListParts {
  readonly orders: Orders;
  readonly orderDocuments: Documents<OrderDocument>;
  readonly blobs: AllowListBlobs;
  readonly local: LocalLists;
  readonly clock: Clock;
  readonly maxDevices: number;
}

/** An import that gave no sign for so long was killed. */
const abandonedAfterMs = 3_600_000;
const signEveryMs = 60_000;

/**
 * Allow-lists: packed here, stored in pieces, then put in force by one update of the order. An import
 * is named in its order from before its first piece; it can end only while it is. So what is neither
 * named nor in force is left over and may be removed by anybody.
 */
export class AllowLists implements AllowListStore {
  readonly #parts: AllowListParts;

  constructor(parts: AllowListParts) {
    this.#parts = parts;
  }

  async importAllowList(
    tenant: TenantId,
    orderId: OrderId,
    rows: AsyncIterable<AllowListRow>,
  ): Promise<number> {
    const { local, blobs, maxDevices } = this.#parts;
    const list = { tenant, orderId, listId: randomUUID() };
    if (!(await this.#begin(list))) {
      throw new CertmillError('NOT_FOUND', `there is no order ${orderId}`);
    }
    const path = local.pathOf(list.listId);
    try {
      await this.#removeLeftOvers(tenant, orderId);
      const sign = this.#signs(list);
      const devices = await buildAllowList(path, signing(rows, sign), maxDevices);
      const proof = await blobs.upload(list, path, sign);
      await this.#putInForce(list, devices, proof);
      await this.#removeLeftOvers(tenant, orderId).catch(() => undefined);
      return devices;
    } catch (error) {
      await this.#giveUp(list).catch(() => undefined);
      throw error;
    } finally {
      await rm(path, { force: true }).catch(() => undefined);
    }
  }

  async lookUp(
    tenant: TenantId,
    orderId: OrderId,
    queries: readonly AllowListQuery[],
  ): Promise<readonly (AllowListRow | undefined)[]> {
    let missing: string | undefined;
    for (;;) {
      const order = await this.#parts.orders.stored(tenant, orderId);
      const { allowListId: listId, allowListFile: proof } = order ?? {};
      if (listId === undefined || proof === undefined) return queries.map(() => undefined);
      if (listId === missing) {
        throw new CertmillError(
          // One order's: a dead letter, no halt of all.
          'FAULT_PROCESSING',
          `the allow-list of order ${orderId} is missing: import it again`,
        );
      }
      const found = await this.#parts.local.with({ tenant, orderId, listId }, proof, (list) =>
        queries.map(({ deviceId, udid }) => list.lookUp(deviceId, udid)),
      );
      if (found !== undefined) return found;
      // Replaced while it was fetched, or else lost.
      missing = listId;
    }
  }

  /** False where there is no such order. */
  #begin(list: ListName): Promise<boolean> {
    const _id = orderKey(list.tenant, list.orderId);
    const nowMs = this.#parts.clock.nowMs();
    return this.#parts.orderDocuments.update({ _id }, { $set: { [markOf(list)]: nowMs } });
  }

  /** Says now and then that the import goes on. Faults: CONFLICT where it was given up. */
  #signs(list: ListName): () => Promise<void> {
    const { clock, orderDocuments } = this.#parts;
    const where = { _id: orderKey(list.tenant, list.orderId), [markOf(list)]: { $gte: 0 } };
    let lastMs = clock.nowMs();
    return async () => {
      const nowMs = clock.nowMs();
      if (nowMs - lastMs < signEveryMs) return;
      lastMs = nowMs;
      if (!(await orderDocuments.update(where, { $set: { [markOf(list)]: nowMs } }))) {
        throw givenUp();
      }
    };
  }

  async #putInForce(list: ListName, devices: number, proof: FileProof): Promise<void> {
    const { orderDocuments } = this.#parts;
    const _id = orderKey(list.tenant, list.orderId);
    const inForce = {
      allowListId: list.listId,
      allowListDevices: devices,
      allowListFile: proof,
    };
    const update = { $set: inForce, $unset: { [markOf(list)]: '' as const } };
    try {
      if (await orderDocuments.update({ _id, [markOf(list)]: { $gte: 0 } }, update)) return;
    } catch (error) {
      // It may be in force all the same, or come to be until its name is taken away.
      await orderDocuments.update({ _id }, { $unset: { [markOf(list)]: '' } });
      if ((await orderDocuments.get(_id))?.allowListId === list.listId) return;
      throw error;
    }
    throw givenUp();
  }

  /** The name first, so that the list cannot come in force any more, then its pieces. */
  async #giveUp(list: ListName): Promise<void> {
    const { orderDocuments, blobs } = this.#parts;
    const _id = orderKey(list.tenant, list.orderId);
    await orderDocuments.update({ _id }, { $unset: { [markOf(list)]: '' } });
    if ((await orderDocuments.get(_id))?.allowListId !== list.listId) await blobs.remove(list);
  }

  /** Lists of the order that were replaced, and those of imports that were killed. */
  async #removeLeftOvers(tenant: TenantId, orderId: OrderId): Promise<void> {
    const { orderDocuments, blobs, clock } = this.#parts;
    const _id = orderKey(tenant, orderId);
    // Before the order: the import of whatever is seen here has been named by now.
    const listIds = await blobs.listIds(tenant, orderId);
    const { allowListId, imports = {} } = (await orderDocuments.get(_id)) ?? {};
    const oldestMs = clock.nowMs() - abandonedAfterMs;
    for (const listId of listIds) {
      if (listId === allowListId) continue;
      const list = { tenant, orderId, listId };
      const signMs = imports[listId];
      if (signMs !== undefined) {
        const where = { _id, [markOf(list)]: signMs };
        if (signMs > oldestMs) continue;
        if (!(await orderDocuments.update(where, { $unset: { [markOf(list)]: '' } }))) continue;
      }
      await blobs.remove(list);
    }
  }
}

/** The field of an order that names an import. */
function markOf({ listId }: ListName): string {
  return `imports.${listId}`;
}

function givenUp(): CertmillError {
  return new CertmillError('CONFLICT', 'the import gave no sign for too long and was given up');
}

async function* signing(
  rows: AsyncIterable<AllowListRow>,
  sign: () => Promise<void>,
): AsyncGenerator<AllowListRow> {
  for await (const row of rows) {
    await sign();
    yield row;
  }
}
