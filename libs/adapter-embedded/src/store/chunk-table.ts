import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { CertmillError, type ChunkRef } from '@certmill/domain';
import type { ChunkRegistration } from '@certmill/ports';
import { brokenOff, cancelled, type BatchKey, type BatchTable } from './batch-table.js';
import { bytesIn, numberIn, optionalNumberIn, type Row } from './rows.js';
import { endOf, type SegmentPlace } from './segment-files.js';

/** A registered chunk with what became of it. */
export interface ChunkRecord {
  readonly batch: BatchKey;
  readonly chunkNumber: number;
  readonly firstIndex: number;
  readonly count: number;
  readonly isConfirmed: boolean;
  /** Counted as dead-lettered: not while it is retried. */
  readonly isDeadLetter: boolean;
  /** Where its segment lies, once it has ended. */
  readonly segment: SegmentPlace | undefined;
  /** When its certificates end, where it has ended with some. */
  readonly notAfterMs: number | undefined;
}

/** Chunks: what is pinned for them, their verdicts, and pointers to their segments. */
export class ChunkTable {
  readonly #batches: BatchTable;
  readonly #insert: StatementSync;
  readonly #get: StatementSync;
  readonly #at: StatementSync;
  readonly #confirm: StatementSync;
  readonly #markDead: StatementSync;
  readonly #end: StatementSync;
  readonly #recordLength: StatementSync;
  readonly #getVerdict: StatementSync;
  readonly #insertVerdict: StatementSync;
  readonly #pinTime: StatementSync;
  readonly #lastTime: StatementSync;
  readonly #progress: StatementSync;
  readonly #last: StatementSync;

  constructor(db: DatabaseSync, batches: BatchTable) {
    this.#batches = batches;
    this.#insert = db.prepare(
      `INSERT INTO chunks (batch_seq, chunk_number, first_index, count, digest, received_at_ms,
         sign_before_ms, serial_key_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#get = db.prepare('SELECT * FROM chunks WHERE batch_seq = ? AND chunk_number = ?');
    this.#at = db.prepare(
      `SELECT * FROM chunks WHERE batch_seq = ? AND first_index <= ?
       ORDER BY first_index DESC LIMIT 1`,
    );
    this.#confirm = db.prepare(
      'UPDATE chunks SET confirmed = 1 WHERE batch_seq = ? AND chunk_number = ?',
    );
    this.#markDead = db.prepare(
      'UPDATE chunks SET dead_letter_cause = ? WHERE batch_seq = ? AND chunk_number = ?',
    );
    this.#end = db.prepare(
      `UPDATE chunks SET dead_letter_cause = NULL, segment_file = ?, segment_offset = ?,
         segment_length = ?, not_after_ms = ? WHERE batch_seq = ? AND chunk_number = ?`,
    );
    this.#last = db.prepare(
      'SELECT first_index, count FROM chunks WHERE batch_seq = ? ORDER BY chunk_number DESC LIMIT 1',
    );
    this.#recordLength = db.prepare(
      `INSERT INTO segment_files VALUES (?, ?)
       ON CONFLICT DO UPDATE SET length = max(length, excluded.length)`,
    );
    this.#getVerdict = db.prepare(
      'SELECT verdict FROM verdicts WHERE batch_seq = ? AND chunk_number = ?',
    );
    this.#insertVerdict = db.prepare('INSERT INTO verdicts VALUES (?, ?, ?)');
    this.#pinTime = db.prepare(
      "UPDATE meta SET value = ? WHERE name = 'last_issuance_ms' AND value < ?",
    );
    this.#lastTime = db.prepare("SELECT value FROM meta WHERE name = 'last_issuance_ms'");
    this.#progress = db.prepare(
      'SELECT next_index, cancelled_at_ms, broken_off_at_ms FROM batches WHERE seq = ?',
    );
  }

  registerChunk(registration: ChunkRegistration): ChunkRegistration {
    const { tenant, batchId, chunkNumber, firstIndex, count, receivedAtMs } = registration;
    const batch = this.#requireBatch(registration);
    const row =
      this.#get.get(batch.seq, chunkNumber) ?? this.#overlapping(batch, firstIndex, count);
    if (row !== undefined) return registrationOf(tenant, batchId, row);
    this.#assertExtends(registration, batch);
    this.#insert.run(
      batch.seq,
      chunkNumber,
      firstIndex,
      count,
      registration.digest,
      receivedAtMs,
      registration.signBeforeMs,
      registration.serialKeyId,
    );
    this.pinIssuanceTime(receivedAtMs);
    return registration;
  }

  /** A new chunk goes on where the one before it ends, in a batch that is neither whole nor cancelled. */
  #assertExtends(registration: ChunkRegistration, batch: BatchKey): void {
    const { tenant, batchId, chunkNumber, firstIndex, count } = registration;
    const { total, cancelledAtMs, brokenOffAtMs } = this.#batches.require(tenant, batchId);
    if (cancelledAtMs !== undefined) throw cancelled(batchId);
    if (brokenOffAtMs !== undefined) throw brokenOff(batchId);
    if (total !== undefined && firstIndex + count > total) {
      throw new CertmillError(
        'CONFLICT',
        `the batch was uploaded with ${String(total)} requests already`,
      );
    }
    const before = chunkNumber === 0 ? undefined : this.#get.get(batch.seq, chunkNumber - 1);
    const end =
      before === undefined ? 0 : numberIn(before, 'first_index') + numberIn(before, 'count');
    const { previousDigest } = registration;
    if (
      before !== undefined &&
      previousDigest !== undefined &&
      Buffer.compare(bytesIn(before, 'digest'), previousDigest) !== 0
    ) {
      throw new CertmillError('CONFLICT', 'other requests are stored before these');
    }
    if (firstIndex !== end || (chunkNumber > 0 && before === undefined)) {
      throw new CertmillError(
        'CONFLICT',
        `index ${String(firstIndex)} does not follow what is stored of the batch`,
      );
    }
  }

  /** The index after the last registered request. */
  registeredEnd(batch: BatchKey): number {
    const row = this.#last.get(batch.seq);
    return row === undefined ? 0 : numberIn(row, 'first_index') + numberIn(row, 'count');
  }

  getRegistration(chunk: ChunkRef): ChunkRegistration | undefined {
    const batch = this.#batches.key(chunk.tenant, chunk.batchId);
    const row = batch && this.#get.get(batch.seq, chunk.chunkNumber);
    return row && registrationOf(chunk.tenant, chunk.batchId, row);
  }

  find(chunk: ChunkRef): ChunkRecord | undefined {
    const batch = this.#batches.key(chunk.tenant, chunk.batchId);
    const row = batch && this.#get.get(batch.seq, chunk.chunkNumber);
    return row && recordOf(batch, row);
  }

  /** Faults: FAULT_PROCESSING (dead letter) where the store knows nothing of the chunk. */
  require(chunk: ChunkRef): ChunkRecord {
    const record = this.find(chunk);
    if (record === undefined) {
      throw new CertmillError(
        'FAULT_PROCESSING',
        `chunk ${String(chunk.chunkNumber)} of batch ${chunk.batchId} was never registered`,
      );
    }
    return record;
  }

  /** The chunk that holds an index. */
  findAt(batch: BatchKey, index: number): ChunkRecord | undefined {
    const row = this.#at.get(batch.seq, index);
    if (row === undefined) return undefined;
    const record = recordOf(batch, row);
    return index < record.firstIndex + record.count ? record : undefined;
  }

  /**
   * The chunk is in the log; whoever saw it there may say so. Idempotent. CONFLICT, with nothing
   * changed, where it comes after the end of its batch.
   */
  confirm(chunk: ChunkRecord): void {
    if (chunk.isConfirmed) return;
    const { batch } = chunk;
    const progress = this.#progress.get(batch.seq) ?? {};
    if (progress['cancelled_at_ms'] !== null) throw cancelled(batch.batchId);
    if (progress['broken_off_at_ms'] !== null) throw brokenOff(batch.batchId);
    this.#confirm.run(batch.seq, chunk.chunkNumber);
    this.#batches.count(batch, { accepted: chunk.count });
    const before = numberIn(progress, 'next_index');
    if (before !== chunk.firstIndex) return;
    let nextIndex = before + chunk.count;
    for (;;) {
      const next = this.findAt(batch, nextIndex);
      if (next?.firstIndex !== nextIndex || !next.isConfirmed) break;
      nextIndex += next.count;
    }
    this.#batches.moveNextIndex(batch, nextIndex);
  }

  /** Whether the chunk was not durable when its batch was cancelled or broken off: it is none of it. */
  isTooLate(chunk: ChunkRecord): boolean {
    if (chunk.isConfirmed) return false;
    const progress = this.#progress.get(chunk.batch.seq) ?? {};
    return progress['cancelled_at_ms'] !== null || progress['broken_off_at_ms'] !== null;
  }

  /** @param code of the fault; undefined takes the mark away. */
  markDeadLettered(chunk: ChunkRecord, code: string | undefined): void {
    this.#markDead.run(code ?? null, chunk.batch.seq, chunk.chunkNumber);
  }

  /**
   * Points to the segment that ends the chunk.
   * @param notAfterMs of its certificates, where there are any.
   */
  end({ batch, chunkNumber }: ChunkRecord, place: SegmentPlace, notAfterMs?: number): void {
    const { file, offset, length } = place;
    this.#end.run(file, offset, length, notAfterMs ?? null, batch.seq, chunkNumber);
    this.#recordLength.run(file, endOf(place));
  }

  getVerdict(chunk: ChunkRecord): Uint8Array<ArrayBuffer> | undefined {
    const row = this.#getVerdict.get(chunk.batch.seq, chunk.chunkNumber);
    return row && bytesIn(row, 'verdict');
  }

  insertVerdict(chunk: ChunkRecord, verdict: Uint8Array): void {
    this.#insertVerdict.run(chunk.batch.seq, chunk.chunkNumber, verdict);
  }

  pinIssuanceTime(atMs: number): void {
    this.#pinTime.run(atMs, atMs);
  }

  lastIssuanceMs(): number {
    return numberIn(this.#lastTime.get() ?? {}, 'value');
  }

  /** A chunk that was cut otherwise and holds one of the indexes: the caller sees other bytes. */
  #overlapping(batch: BatchKey, firstIndex: number, count: number): Row | undefined {
    const row = this.#at.get(batch.seq, firstIndex + count - 1);
    return row !== undefined && numberIn(row, 'first_index') + numberIn(row, 'count') > firstIndex
      ? row
      : undefined;
  }

  #requireBatch(chunk: ChunkRef): BatchKey {
    const batch = this.#batches.key(chunk.tenant, chunk.batchId);
    if (batch === undefined) {
      throw new CertmillError('NOT_FOUND', `there is no batch ${chunk.batchId}`);
    }
    return batch;
  }
}

export function recordOf(batch: BatchKey, row: Row): ChunkRecord {
  const file = optionalNumberIn(row, 'segment_file');
  return {
    batch,
    chunkNumber: numberIn(row, 'chunk_number'),
    firstIndex: numberIn(row, 'first_index'),
    count: numberIn(row, 'count'),
    isConfirmed: numberIn(row, 'confirmed') === 1,
    isDeadLetter: row['dead_letter_cause'] !== null,
    segment:
      file === undefined
        ? undefined
        : {
            file,
            offset: numberIn(row, 'segment_offset'),
            length: numberIn(row, 'segment_length'),
          },
    notAfterMs: optionalNumberIn(row, 'not_after_ms'),
  };
}

export function registrationOf(tenant: string, batchId: string, row: Row): ChunkRegistration {
  return {
    tenant,
    batchId,
    chunkNumber: numberIn(row, 'chunk_number'),
    firstIndex: numberIn(row, 'first_index'),
    count: numberIn(row, 'count'),
    digest: bytesIn(row, 'digest'),
    receivedAtMs: numberIn(row, 'received_at_ms'),
    signBeforeMs: numberIn(row, 'sign_before_ms'),
    serialKeyId: numberIn(row, 'serial_key_id'),
  };
}
