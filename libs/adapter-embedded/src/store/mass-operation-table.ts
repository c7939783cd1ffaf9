import type { DatabaseSync } from 'node:sqlite';
import {
  CertmillError,
  type FrozenBatch,
  type MassOperation,
  type TenantId,
} from '@certmill/domain';
import type { Page, PageRequest } from '@certmill/ports';
import { cursorSeq, pageLimit, pageOf } from './page-cursor.js';
import { numberIn, textIn, type Row } from './rows.js';

/** Mass operations, as MassOperationStore of @certmill/ports has them. */
export class MassOperationTable {
  readonly #db: DatabaseSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
  }

  add(operation: MassOperation, frozen: readonly FrozenBatch[]): boolean {
    const { tenant, operationId, version } = operation;
    return (
      this.#db
        .prepare(
          `INSERT INTO mass_operations (tenant, operation_id, version, operation, frozen)
           VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
        )
        .run(tenant, operationId, version, JSON.stringify(operation), JSON.stringify(frozen))
        .changes === 1
    );
  }

  get(tenant: TenantId, operationId: string): MassOperation | undefined {
    const row = this.#db
      .prepare('SELECT operation FROM mass_operations WHERE tenant = ? AND operation_id = ?')
      .get(tenant, operationId);
    return row && operationOf(row);
  }

  frozenBatches(tenant: TenantId, operationId: string): FrozenBatch[] {
    const row = this.#db
      .prepare('SELECT frozen FROM mass_operations WHERE tenant = ? AND operation_id = ?')
      .get(tenant, operationId);
    return row === undefined ? [] : (parsed(textIn(row, 'frozen')) as FrozenBatch[]);
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
      .prepare(
        `SELECT seq, operation FROM mass_operations
         WHERE json_extract(operation, '$.state') = 'running' AND seq < ?
         ORDER BY seq DESC LIMIT ?`,
      )
      .all(cursorSeq(page) ?? Number.MAX_SAFE_INTEGER, limit + 1);
    return pageOf(rows, limit, operationOf, seqOf);
  }

  save(operation: MassOperation, expectedVersion: number): boolean {
    const { tenant, operationId, version } = operation;
    return (
      this.#db
        .prepare(
          `UPDATE mass_operations SET version = ?, operation = ?
           WHERE tenant = ? AND operation_id = ? AND version = ?`,
        )
        .run(version, JSON.stringify(operation), tenant, operationId, expectedVersion).changes === 1
    );
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
