import { CertmillError, isComplete, type Batch } from '@certmill/domain';
import type { ChunkRegistration, DeadLetter } from '@certmill/ports';
import { batchKey, type BatchDocument } from '../batches/batch-document.js';
import {
  addSums,
  bucketKey,
  chunksPerBucket,
  noSums,
  slotName,
  type BucketDocument,
  type ChunkDocument,
  type Closing,
  type Ends,
  type Sums,
} from '../batches/bucket-document.js';

/** A chunk that was registered elsewhere, with what has become of it. */
export interface ImportedChunk {
  readonly registration: ChunkRegistration;
  readonly isConfirmed: boolean;
  /** Where it has ended. */
  readonly ends?: Ends;
  /** Where it waits for an operator. */
  readonly deadLetter?: DeadLetter;
}

/**
 * The documents of one batch, made from its chunks: buckets as they fill, the batch at the end.
 * A bucket behind the last full one is there where the batch is whole or closed, as `sealUpload` and
 * `closeBatch` leave it.
 */
export class BatchImport {
  readonly #batch: Batch;
  readonly #closing: Closing | undefined;
  #sums = noSums;
  #buckets = 0;
  #end = 0;
  #open: { firstIndex: number; chunks: ChunkDocument[]; sums: Sums };

  constructor(batch: Batch) {
    this.#batch = batch;
    this.#closing =
      batch.cancelledAtMs !== undefined
        ? 'cancelled'
        : batch.brokenOffAtMs !== undefined
          ? 'broken-off'
          : undefined;
    this.#open = { firstIndex: 0, chunks: [], sums: noSums };
  }

  /** In order. The bucket that is full with it, if one is. */
  add(imported: ImportedChunk): BucketDocument | undefined {
    const chunk = chunkOf(imported);
    const sums = sumsOf(chunk);
    const open = this.#open;
    open.chunks.push(chunk);
    open.sums = addSums(open.sums, sums);
    this.#sums = addSums(this.#sums, sums);
    this.#end = chunk.firstIndex + chunk.count;
    return open.chunks.length === chunksPerBucket ? this.#take(false) : undefined;
  }

  /** The last bucket, if one is begun or has to be. */
  finish(): BucketDocument | undefined {
    const isSealed = this.#batch.total !== undefined || this.#closing !== undefined;
    return this.#open.chunks.length > 0 || isSealed ? this.#take(true) : undefined;
  }

  /** Faults: FAULT_STORE_CORRUPT where the chunks do not come to the counters. */
  document(listedAs: string): BatchDocument {
    const batch = this.#batch;
    const { tenant, batchId, orderId, lane, idempotencyKey, createdAtMs, counters } = batch;
    const { accepted, issued, rejected, cancelled, deadLettered } = this.#sums;
    const held = { accepted, issued, rejected, cancelled, deadLettered };
    const names = Object.keys(held) as (keyof typeof held)[];
    if (names.some((name) => held[name] !== counters[name])) {
      throw new CertmillError(
        'FAULT_STORE_CORRUPT',
        `batch ${batchId}: its counters are not what its chunks hold; see certmill verify-store`,
      );
    }
    const { cancelledAtMs, brokenOffAtMs, completedAtMs, nextIndex, total } = batch;
    const settled = { counters, nextIndex, ...(total === undefined ? {} : { total }) };
    const isSettled = completedAtMs !== undefined && isComplete(batch) && deadLettered === 0;
    return {
      _id: batchKey(tenant, batchId),
      tenant,
      batchId,
      orderId,
      lane,
      idempotencyKey,
      createdAtMs,
      listedAs,
      ...(cancelledAtMs === undefined ? {} : { cancelledAtMs }),
      ...(brokenOffAtMs === undefined ? {} : { brokenOffAtMs }),
      ...(this.#closing === undefined ? {} : { swept: this.#closing }),
      ...(completedAtMs === undefined
        ? {}
        : { completion: { atMs: completedAtMs, reopenings: 0 } }),
      ...(isSettled ? { settled } : {}),
    };
  }

  #take(isLast: boolean): BucketDocument {
    const { tenant, batchId, total } = this.#batch;
    const { firstIndex, chunks, sums } = this.#open;
    const bucket: BucketDocument = {
      _id: bucketKey(tenant, batchId, this.#buckets),
      registered: chunks.length,
      firstIndex,
      end: this.#end,
      ...(isLast && total !== undefined ? { total } : {}),
      ...(this.#closing === undefined ? {} : { closed: this.#closing }),
      sums,
      chunks: Object.fromEntries(chunks.map((chunk, slot) => [slotName(slot), chunk])),
    };
    this.#buckets += 1;
    this.#open = { firstIndex: this.#end, chunks: [], sums: noSums };
    return bucket;
  }
}

function chunkOf({ registration, isConfirmed, ends, deadLetter }: ImportedChunk): ChunkDocument {
  const { firstIndex, count, digest, receivedAtMs, signBeforeMs, serialKeyId } = registration;
  return {
    firstIndex,
    count,
    digest,
    receivedAtMs,
    signBeforeMs,
    serialKeyId,
    version: 0,
    confirmed: isConfirmed,
    ...(ends === undefined ? {} : { ends }),
    ...(deadLetter === undefined ? {} : { letter: letterOf(deadLetter) }),
  };
}

function letterOf({ code, detail, stage, topic, place, atMs }: DeadLetter) {
  return { code, detail, stage, topic, place, atMs };
}

function sumsOf({ confirmed, count, ends, letter }: ChunkDocument): Partial<Sums> {
  return {
    ...(confirmed ? { confirmed: 1, accepted: count } : {}),
    ...(letter === undefined ? {} : { letters: 1, deadLettered: count }),
    ...(ends === undefined ? {} : { ended: 1, ...ends }),
  };
}
