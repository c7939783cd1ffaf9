import type {
  ChunkOutcome,
  ChunkPlace,
  FrozenBatch,
  MassOperation,
  TenantId,
} from '@certmill/domain';
import type { Page, PageRequest } from './stores.js';

/** Of an operation that is there, or is about to be added. */
export type FrozenSelectionName = Pick<MassOperation, 'tenant' | 'operationId' | 'freezeId'>;

export interface OutcomeQuery {
  readonly limit: number;
  readonly after?: ChunkPlace;
  /** Those alone that are on their way. */
  readonly isPending?: true;
}

/** Mass operations, their frozen selections and what became of these. */
export interface MassOperationStore {
  /**
   * Stores a page of a selection that is being frozen, `frozenPageBatches` of it or its last ones, before
   * its operation is added. Pages that no operation names are removed some time later, not within an hour.
   */
  putFrozenPage(
    frozen: FrozenSelectionName,
    page: number,
    batches: readonly FrozenBatch[],
  ): Promise<void>;
  /** Of a selection that no operation names. */
  dropFrozen(frozen: FrozenSelectionName): Promise<void>;
  /** Insert if absent by (tenant, operationId); false where it is there already. Its selection is stored. */
  addOperation(operation: MassOperation): Promise<boolean>;
  getOperation(tenant: TenantId, operationId: string): Promise<MassOperation | undefined>;
  /** In the order given; empty behind the last page, and of an unknown selection. */
  frozenPage(frozen: FrozenSelectionName, page: number): Promise<readonly FrozenBatch[]>;
  /** Newest first. */
  listOperations(tenant: TenantId, page: PageRequest): Promise<Page<MassOperation>>;
  /** Of all tenants those whose state is `running`, newest first. */
  listRunning(page: PageRequest): Promise<Page<MassOperation>>;
  /**
   * Stores the operation in place of the one of `expectedVersion`, durable before it resolves; false,
   * with the operation unchanged, where another version is stored, or none. Its selection stays.
   * @param outcome Of a step: stored with it in place of what was stored of the chunk, never behind it.
   */
  saveOperation(
    operation: MassOperation,
    expectedVersion: number,
    outcome?: ChunkOutcome,
  ): Promise<boolean>;
  /** In the order of the selection, behind a chunk where it is given. */
  listOutcomes(
    operation: Pick<MassOperation, 'tenant' | 'operationId'>,
    which: OutcomeQuery,
  ): Promise<readonly ChunkOutcome[]>;
}
