import type { FrozenBatch, MassOperation, TenantId } from '@certmill/domain';
import type { MassOperationStore, Page, PageRequest } from '@certmill/ports';
import type { Documents, Stored, Where } from './connection/documents.js';
import { listingKeyPattern, type ListingKeys } from './listing-keys.js';
import { cursorPlace, pageLimit, pageOf } from './page-cursor.js';

/** `_id`: `<tenant>/<operation>`. */
export interface MassOperationDocument extends Stored {
  readonly tenant: TenantId;
  readonly version: number;
  readonly operation: MassOperation;
  /** Never changes. */
  readonly frozen: readonly FrozenBatch[];
  /** Of `ListingKeys`. */
  readonly listedAs: string;
}

/** What is told of an operation: its frozen selection is large, and read once. */
const fields = ['operation', 'listedAs'] as const;

/** Mass operations, changed by compare-and-set. */
export class MassOperations implements MassOperationStore {
  readonly #operations: Documents<MassOperationDocument>;
  readonly #listingKeys: ListingKeys;

  constructor(operations: Documents<MassOperationDocument>, listingKeys: ListingKeys) {
    this.#operations = operations;
    this.#listingKeys = listingKeys;
  }

  async addOperation(operation: MassOperation, frozen: readonly FrozenBatch[]): Promise<boolean> {
    const { tenant, operationId, version } = operation;
    const _id = keyOf(tenant, operationId);
    const listedAs = this.#listingKeys.next();
    const document = { _id, tenant, version, operation, frozen, listedAs };
    return (await this.#operations.insert(document)) === 'inserted';
  }

  async getOperation(tenant: TenantId, operationId: string): Promise<MassOperation | undefined> {
    return (await this.#operations.get(keyOf(tenant, operationId), fields))?.operation;
  }

  async frozenBatches(tenant: TenantId, operationId: string): Promise<readonly FrozenBatch[]> {
    return (await this.#operations.get(keyOf(tenant, operationId), ['frozen']))?.frozen ?? [];
  }

  /** All shards look into their index by tenant and listing key. */
  listOperations(tenant: TenantId, page: PageRequest): Promise<Page<MassOperation>> {
    return this.#listed({ tenant }, page);
  }

  /** By an index of its own, as above. */
  listRunning(page: PageRequest): Promise<Page<MassOperation>> {
    return this.#listed({ 'operation.state': 'running' }, page);
  }

  async #listed(of: Where, page: PageRequest): Promise<Page<MassOperation>> {
    const limit = pageLimit(page);
    const before = cursorPlace(page, listingKeyPattern);
    const where = before === undefined ? of : { ...of, listedAs: { $lt: before } };
    const found = await this.#operations.find(where, {
      sort: { listedAs: -1 },
      limit: limit + 1,
      fields,
    });
    return pageOf(
      found,
      limit,
      ({ operation }) => operation,
      ({ listedAs }) => listedAs,
    );
  }

  saveOperation(operation: MassOperation, expectedVersion: number): Promise<boolean> {
    const { tenant, operationId, version } = operation;
    return this.#operations.update(
      { _id: keyOf(tenant, operationId), version: expectedVersion },
      { $set: { version, operation } },
    );
  }
}

function keyOf(tenant: TenantId, operationId: string): string {
  return `${tenant}/${operationId}`;
}
