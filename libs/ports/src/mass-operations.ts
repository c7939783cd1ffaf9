import type { FrozenBatch, MassOperation, TenantId } from '@certmill/domain';
import type { Page, PageRequest } from './stores.js';

/** Mass operations and their frozen selections. */
export interface MassOperationStore {
  /** Insert if absent by (tenant, operationId), with its selection; false where it is there already. */
  addOperation(operation: MassOperation, frozen: readonly FrozenBatch[]): Promise<boolean>;
  getOperation(tenant: TenantId, operationId: string): Promise<MassOperation | undefined>;
  /** In the order given; empty for an unknown operation. */
  frozenBatches(tenant: TenantId, operationId: string): Promise<readonly FrozenBatch[]>;
  /** Newest first. */
  listOperations(tenant: TenantId, page: PageRequest): Promise<Page<MassOperation>>;
  /** Of all tenants those whose state is `running`, newest first. */
  listRunning(page: PageRequest): Promise<Page<MassOperation>>;
  /**
   * Stores the operation in place of the one of `expectedVersion`, durable before it resolves; false,
   * with nothing changed, where another version is stored, or none. Its selection stays.
   */
  saveOperation(operation: MassOperation, expectedVersion: number): Promise<boolean>;
}
