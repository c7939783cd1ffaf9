import type { DatabaseSync } from 'node:sqlite';
import type { BatchId, ChunkRef, TenantId } from '@certmill/domain';
import type { DeadLetter, DeadLetterCause, Page, PageRequest } from '@certmill/ports';
import type { BatchKey, BatchTable } from './batch-table.js';
import type { ChunkRecord, ChunkTable } from './chunk-table.js';
import { cursorSeq, pageLimit, pageOf } from './page-cursor.js';
import { numberIn, optionalNumberIn, present, textIn, type Row } from './rows.js';

const select = `
  SELECT d.*, c.first_index, c.count FROM dead_letters d JOIN chunks c USING (batch_seq, chunk_number)
  WHERE c.segment_file IS NULL AND d.batch_seq = ?`;

/** Chunks that could not be processed, until they end. */
export class DeadLetterTable {
  readonly #db: DatabaseSync;
  readonly #batches: BatchTable;
  readonly #chunks: ChunkTable;

  constructor(db: DatabaseSync, batches: BatchTable, chunks: ChunkTable) {
    this.#db = db;
    this.#batches = batches;
    this.#chunks = chunks;
  }

  mark(chunk: ChunkRecord, cause: DeadLetterCause, atMs: number): void {
    if (chunk.segment !== undefined || chunk.isDeadLetter || this.#chunks.isTooLate(chunk)) return;
    this.#chunks.confirm(chunk);
    this.#chunks.markDeadLettered(chunk, cause.code);
    this.#batches.count(chunk.batch, { deadLettered: chunk.count });
    const { code, detail, stage, topic, place } = cause;
    this.#db
      .prepare('INSERT OR REPLACE INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)')
      .run(chunk.batch.seq, chunk.chunkNumber, code, detail, stage, topic, place, atMs);
  }

  retry(ref: ChunkRef, atMs: number): DeadLetter | undefined {
    const chunk = this.#chunks.find(ref);
    if (chunk === undefined || this.get(ref) === undefined) return undefined;
    if (chunk.isDeadLetter) {
      this.#chunks.markDeadLettered(chunk, undefined);
      this.#batches.count(chunk.batch, { deadLettered: -chunk.count });
      this.#batches.reopen(chunk.batch);
    }
    this.#db
      .prepare('UPDATE dead_letters SET retried_at_ms = ? WHERE batch_seq = ? AND chunk_number = ?')
      .run(atMs, chunk.batch.seq, chunk.chunkNumber);
    return this.get(ref);
  }

  get({ tenant, batchId, chunkNumber }: ChunkRef): DeadLetter | undefined {
    const batch = this.#batches.key(tenant, batchId);
    const row =
      batch && this.#db.prepare(`${select} AND d.chunk_number = ?`).get(batch.seq, chunkNumber);
    return row && deadLetterOf(batch, row);
  }

  list(tenant: TenantId, batchId: BatchId, page: PageRequest): Page<DeadLetter> {
    const limit = pageLimit(page);
    const batch = this.#batches.key(tenant, batchId);
    if (batch === undefined) return { items: [] };
    const rows = this.#db
      .prepare(`${select} AND d.chunk_number > ? ORDER BY d.chunk_number LIMIT ?`)
      .all(batch.seq, cursorSeq(page) ?? -1, limit + 1);
    return pageOf(
      rows,
      limit,
      (row) => deadLetterOf(batch, row),
      (row) => String(numberIn(row, 'chunk_number')),
    );
  }
}

function deadLetterOf({ tenant, batchId }: BatchKey, row: Row): DeadLetter {
  return {
    chunk: { tenant, batchId, chunkNumber: numberIn(row, 'chunk_number') },
    firstIndex: numberIn(row, 'first_index'),
    count: numberIn(row, 'count'),
    code: textIn(row, 'code'),
    detail: textIn(row, 'detail'),
    stage: textIn(row, 'stage'),
    topic: textIn(row, 'topic'),
    place: textIn(row, 'place'),
    atMs: numberIn(row, 'at_ms'),
    ...present('retriedAtMs', optionalNumberIn(row, 'retried_at_ms')),
  };
}
