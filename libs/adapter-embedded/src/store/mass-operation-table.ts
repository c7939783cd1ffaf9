import type { DatabaseSync } from 'node:sqlite';
import {
  CertmillError,
  type ChunkOutcome,
  type FrozenBatch,
  type MassOperation,
  type TenantId,
} from '@certmill/domain';
import type { FrozenSelectionName, OutcomeQuery, Page, PageRequest } from '@certmill/ports';
import { cursorSeq, pageLimit, pageOf } from './page-cursor.js';
import { numberIn, textIn, type Row } from './rows.js';

/** By their own index: nearly all that were ever begun are over. */
export const runningOperationsSql = `SELECT seq, operation FROM mass_operations
  WHERE state = 'running' AND seq < ? ORDER BY seq DESC LIMIT ?`;

/** Mass operations, as MassOperationStore of @certmill/ports has them. */
export class MassOperationTable {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  putFrozenPage(
    { tenant, operationId, freezeId }: FrozenSelectionName,
    page: number,
    batches: readonly FrozenBatch[],
  ): void {
    this.#db
      .prepare(
        `INSERT INTO frozen_pages (tenant, freeze_id, page, operation_id, batches)
         VALUES (?, ?, ?, ?, ?)`,
      )
      .run(tenant, freezeId, page, operationId, JSON.stringify(batches));
  }

  dropFrozen({ tenant, freezeId }: FrozenSelectionName): void {
    this.#db
      .prepare('DELETE FROM frozen_pages WHERE tenant = ? AND freeze_id = ?')
      .run(tenant, freezeId);
  }

  /** Of those who were killed while they froze. Only before the first call. */
  dropUnnamed(): void {
    this.#db.exec(
      `DELETE FROM frozen_pages WHERE NOT EXISTS (
         SELECT 1 FROM mass_operations o
         WHERE o.tenant = frozen_pages.tenant AND o.operation_id = frozen_pages.operation_id
           AND json_extract(o.operation, '$.freezeId') = frozen_pages.freeze_id)`,
    );
  }

  add(operation: MassOperation): boolean {
    const { tenant, operationId, version, state } = operation;
    return (
      this.#db
        .prepare(
          `INSERT INTO mass_operations (tenant, operation_id, version, state, operation)
           VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
        )
        .run(tenant, operationId, version, state, JSON.stringify(operation)).changes === 1
    );
  }

  get(tenant: TenantId, operationId: string): MassOperation | undefined {
    const row = this.#db
      .prepare('SELECT operation FROM mass_operations WHERE tenant = ? AND operation_id = ?')
      .get(tenant, operationId);
    return row && operationOf(row);
  }

  frozenPage({ tenant, freezeId }: FrozenSelectionName, page: number): FrozenBatch[] {
    const row = this.#db
      .prepare('SELECT batches FROM frozen_pages WHERE tenant = ? AND freeze_id = ? AND page = ?')
      .get(tenant, freezeId, page);
    return row === undefined ? [] : (parsed(textIn(row, 'batches')) as FrozenBatch[]);
  }

  list(tenant: TenantId, page: PageRequest): Page<MassOperation> {
    const limit = pageLimit(page);
    const rows = this.#db
      .prepare(
        `SELECT seq, operation FROM mass_operations WHERE tenant = ? AND seq < ?
         ORDER BY seq DESC LIMIT ?`,
      )
      .all(tenant, cursorSeq(page) ?? Number.MAX_SAFE_INTEGER, limit + 1);
    return pageOf(rows, limit, operationOf, seqOf);
  }

  listRunning(page: PageRequest): Page<MassOperation> {
    const limit = pageLimit(page);
    const rows = this.#db
      .prepare(runningOperationsSql)
      .all(cursorSeq(page) ?? Number.MAX_SAFE_INTEGER, limit + 1);
    return pageOf(rows, limit, operationOf, seqOf);
  }

  save(operation: MassOperation, expectedVersion: number, outcome?: ChunkOutcome): boolean {
    const { tenant, operationId, version, state } = operation;
    const isSaved =
      this.#db
        .prepare(
          `UPDATE mass_operations SET version = ?, state = ?, operation = ?
           WHERE tenant = ? AND operation_id = ? AND version = ?`,
        )
        .run(version, state, JSON.stringify(operation), tenant, operationId, expectedVersion)
        .changes === 1;
    if (isSaved && outcome !== undefined) this.#putOutcome(operation, outcome);
    return isSaved;
  }

  listOutcomes(
    { tenant, operationId }: Pick<MassOperation, 'tenant' | 'operationId'>,
    { after = { batch: -1, chunkNumber: 0 }, limit, isPending }: OutcomeQuery,
  ): ChunkOutcome[] {
    const rows = this.#db.prepare(
      `SELECT outcome FROM mass_outcomes
       WHERE tenant = ? AND operation_id = ? AND (batch, chunk_number) > (?, ?)
         ${isPending === undefined ? '' : 'AND is_pending = 1'}
       ORDER BY batch, chunk_number LIMIT ?`,
    );
    return rows
      .all(tenant, operationId, after.batch, after.chunkNumber, limit)
      .map((row) => parsed(textIn(row, 'outcome')) as ChunkOutcome);
  }

  #putOutcome({ tenant, operationId }: MassOperation, outcome: ChunkOutcome): void {
    const { batch, chunkNumber, isPending } = outcome;
    this.#db
      .prepare('INSERT OR REPLACE INTO mass_outcomes VALUES (?, ?, ?, ?, ?, ?)')
      .run(tenant, operationId, batch, chunkNumber, Number(isPending), JSON.stringify(outcome));
  }
}

function seqOf(row: Row): string {
  return String(numberIn(row, 'seq'));
}

/** Of a row with its column `operation`. Faults: FAULT_STORE_CORRUPT. */
export function operationOf(row: Row): MassOperation {
  return parsed(textIn(row, 'operation')) as MassOperation;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CertmillError('FAULT_STORE_CORRUPT', 'a mass operation is damaged', { cause });
  }
}
