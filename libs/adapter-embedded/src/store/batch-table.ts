import type { DatabaseSync, StatementSync } from 'node:sqlite';
import {
  CertmillError,
  inFlightOf,
  isComplete,
  type Batch,
  type BatchId,
  type Counters,
  type OrderId,
  type TenantId,
} from '@certmill/domain';
import type { Page, PageRequest } from '@certmill/ports';
import { cursorSeq, pageLimit, pageOf } from './page-cursor.js';
import { numberIn, optionalNumberIn, present, textIn, type Row } from './rows.js';

/** What never changes of a batch. */
export interface BatchKey {
  readonly seq: number;
  readonly tenant: TenantId;
  readonly batchId: BatchId;
  readonly orderId: OrderId;
}

const maxKnownKeys = 1_024;

/** Batches and their counters. */
export class BatchTable {
  readonly #db: DatabaseSync;
  readonly #get: StatementSync;
  readonly #findTenant: StatementSync;
  readonly #count: StatementSync;
  readonly #moveNextIndex: StatementSync;
  readonly #complete: StatementSync;
  /** By tenant and batch id, latest last: every call of a chunk needs the sequence number. */
  readonly #known = new Map<string, BatchKey>();

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#get = db.prepare('SELECT * FROM batches WHERE tenant = ? AND batch_id = ?');
    this.#findTenant = db.prepare(
      `SELECT batches.tenant FROM tenants CROSS JOIN batches
       ON batches.tenant = tenants.tenant AND batches.batch_id = ? LIMIT 1`,
    );
    this.#count = db.prepare(
      `UPDATE batches SET accepted = accepted + ?, issued = issued + ?, rejected = rejected + ?,
         cancelled = cancelled + ?, dead_lettered = dead_lettered + ? WHERE seq = ?`,
    );
    this.#moveNextIndex = db.prepare('UPDATE batches SET next_index = ? WHERE seq = ?');
    this.#complete = db.prepare(
      'UPDATE batches SET completed_at_ms = ? WHERE seq = ? AND completed_at_ms IS NULL',
    );
  }

  openBatch(batch: Batch): Batch {
    this.#db
      .prepare(
        `INSERT INTO batches (tenant, batch_id, order_id, lane, idempotency_key, created_at_ms)
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      )
      .run(
        batch.tenant,
        batch.batchId,
        batch.orderId,
        batch.lane,
        batch.idempotencyKey,
        batch.createdAtMs,
      );
    return this.require(batch.tenant, batch.batchId);
  }

  getBatch(tenant: TenantId, batchId: BatchId): Batch | undefined {
    const row = this.#get.get(tenant, batchId);
    return row && batchOf(row);
  }

  /** By the tenants, which are few: an index by batch id would cost each enrolment a random row. */
  findTenant(batchId: BatchId): TenantId | undefined {
    const row = this.#findTenant.get(batchId);
    return row && textIn(row, 'tenant');
  }

  listBatches(tenant: TenantId, orderId: OrderId, page: PageRequest): Page<Batch> {
    const limit = pageLimit(page);
    const rows = this.#db
      .prepare(
        `SELECT * FROM batches WHERE tenant = ? AND order_id = ? AND seq < ?
         ORDER BY seq DESC LIMIT ?`,
      )
      .all(tenant, orderId, cursorSeq(page) ?? Number.MAX_SAFE_INTEGER, limit + 1);
    return pageOf(rows, limit, batchOf, (row) => String(numberIn(row, 'seq')));
  }

  /** @param registeredEnd The index after the last request that is registered. */
  completeUpload(
    tenant: TenantId,
    batchId: BatchId,
    total: number,
    registeredEnd: number,
    atMs: number,
  ): Batch {
    const batch = this.require(tenant, batchId);
    if (batch.total !== undefined && batch.total !== total) {
      throw new CertmillError(
        'CONFLICT',
        `the batch was uploaded with ${String(batch.total)} requests, not ${String(total)}`,
      );
    }
    if (batch.brokenOffAtMs !== undefined) throw brokenOff(batchId);
    if (registeredEnd > total) {
      throw new CertmillError('CONFLICT', `${String(registeredEnd)} requests are stored already`);
    }
    this.#db
      .prepare('UPDATE batches SET total = ? WHERE tenant = ? AND batch_id = ?')
      .run(total, tenant, batchId);
    this.completeIfDone(tenant, batchId, atMs);
    return this.require(tenant, batchId);
  }

  cancelBatch(tenant: TenantId, batchId: BatchId, atMs: number): Batch | undefined {
    this.#db
      .prepare(
        `UPDATE batches SET cancelled_at_ms = ? WHERE tenant = ? AND batch_id = ?
           AND cancelled_at_ms IS NULL AND completed_at_ms IS NULL`,
      )
      .run(atMs, tenant, batchId);
    if (this.key(tenant, batchId) === undefined) return undefined;
    this.completeIfDone(tenant, batchId, atMs);
    return this.getBatch(tenant, batchId);
  }

  key(tenant: TenantId, batchId: BatchId): BatchKey | undefined {
    const name = `${tenant}/${batchId}`;
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const row = this.#get.get(tenant, batchId);
    if (row === undefined) return undefined;
    const key = keyOf(row);
    const oldest = this.#known.keys().next().value;
    if (this.#known.size >= maxKnownKeys && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(name, key);
    return key;
  }

  /** Sequence numbers of a transaction that was undone may be given out again. */
  forgetKeys(): void {
    this.#known.clear();
  }

  keyOfSeq(seq: number): BatchKey | undefined {
    const row = this.#db.prepare('SELECT * FROM batches WHERE seq = ?').get(seq);
    return row && keyOf(row);
  }

  require(tenant: TenantId, batchId: BatchId): Batch {
    const batch = this.getBatch(tenant, batchId);
    if (batch === undefined) throw new CertmillError('NOT_FOUND', `there is no batch ${batchId}`);
    return batch;
  }

  /** Adds to the counters; entries may be negative. */
  count(key: BatchKey, by: Partial<Counters>): void {
    this.#count.run(
      by.accepted ?? 0,
      by.issued ?? 0,
      by.rejected ?? 0,
      by.cancelled ?? 0,
      by.deadLettered ?? 0,
      key.seq,
    );
  }

  moveNextIndex(key: BatchKey, nextIndex: number): void {
    this.#moveNextIndex.run(nextIndex, key.seq);
  }

  /** Work goes on in the batch: a dead letter of it is retried. */
  reopen(key: BatchKey): void {
    this.#db.prepare('UPDATE batches SET completed_at_ms = NULL WHERE seq = ?').run(key.seq);
  }

  /** Notes the time at which nothing was left to do; the first one stays. */
  completeIfDone(tenant: TenantId, batchId: BatchId, atMs: number): void {
    const row = this.#get.get(tenant, batchId);
    // Dead letters may still be retried or dropped: they are no end of a batch's work, but nothing
    // of it is in flight.
    if (row === undefined || row['completed_at_ms'] !== null) return;
    const batch = batchOf(row);
    if (inFlightOf(batch.counters) === 0 && isComplete(batch)) {
      this.#complete.run(atMs, numberIn(row, 'seq'));
    }
  }
}

export function cancelled(batchId: BatchId): CertmillError {
  return new CertmillError('CONFLICT', `batch ${batchId} was cancelled`);
}

export function brokenOff(batchId: BatchId): CertmillError {
  return new CertmillError(
    'CONFLICT',
    `the upload of batch ${batchId} was broken off by a restore`,
  );
}

function keyOf(row: Row): BatchKey {
  return {
    seq: numberIn(row, 'seq'),
    tenant: textIn(row, 'tenant'),
    batchId: textIn(row, 'batch_id'),
    orderId: textIn(row, 'order_id'),
  };
}

export function batchOf(row: Row): Batch {
  return {
    tenant: textIn(row, 'tenant'),
    batchId: textIn(row, 'batch_id'),
    orderId: textIn(row, 'order_id'),
    lane: textIn(row, 'lane') === 'interactive' ? 'interactive' : 'bulk',
    idempotencyKey: textIn(row, 'idempotency_key'),
    createdAtMs: numberIn(row, 'created_at_ms'),
    nextIndex: numberIn(row, 'next_index'),
    ...present('total', optionalNumberIn(row, 'total')),
    ...present('cancelledAtMs', optionalNumberIn(row, 'cancelled_at_ms')),
    ...present('brokenOffAtMs', optionalNumberIn(row, 'broken_off_at_ms')),
    ...present('completedAtMs', optionalNumberIn(row, 'completed_at_ms')),
    counters: {
      accepted: numberIn(row, 'accepted'),
      issued: numberIn(row, 'issued'),
      rejected: numberIn(row, 'rejected'),
      cancelled: numberIn(row, 'cancelled'),
      deadLettered: numberIn(row, 'dead_lettered'),
    },
  };
}
