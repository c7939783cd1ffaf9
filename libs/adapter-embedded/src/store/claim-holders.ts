import { hasExpired, isOnHold, type RejectionCode } from '@certmill/domain';
import type { ClaimObstacle, Locator } from '@certmill/packed';
import type { CertificatePlace } from '@certmill/ports';
import type { BatchTable } from './batch-table.js';
import type { ChunkRecord, ChunkTable } from './chunk-table.js';
import type { StatusTable } from './status-table.js';

export interface HolderTables {
  readonly batches: BatchTable;
  readonly chunks: ChunkTable;
  readonly statuses: StatusTable;
}

/** Who stands in the way of a request, and whether it has to go out of it. */
export interface Conflict {
  readonly code: RejectionCode;
  /** When the certificate of the device ends, where it has one. */
  readonly notAfterMs: number | undefined;
  readonly isReplaced: boolean;
}

/**
 * Who holds what a chunk wants. Each chunk of holders is read once: a batch whose devices are all taken
 * costs a look-up for each chunk that they are in, not for each device.
 */
export class ClaimHolders {
  readonly #tables: HolderTables;
  readonly #chunk: ChunkRecord;
  readonly #receivedAtMs: number;
  readonly #renews: boolean;
  readonly #read: ChunkRecord[] = [];

  /** @param receivedAtMs of the chunk. @param renews whether its order does. */
  constructor(
    tables: HolderTables,
    chunk: ChunkRecord,
    { receivedAtMs, renews }: { readonly receivedAtMs: number; readonly renews: boolean },
  ) {
    this.#tables = tables;
    this.#chunk = chunk;
    this.#receivedAtMs = receivedAtMs;
    this.#renews = renews;
  }

  /** @param expectedHolder as in `Decision.expectedHolders`. */
  conflictOf(obstacle: ClaimObstacle, expectedHolder?: CertificatePlace): Conflict {
    const stays = { notAfterMs: undefined, isReplaced: false };
    if (obstacle.kind === 'key-compromised') return { code: 'KEY_COMPROMISED', ...stays };
    const { seq } = this.#chunk.batch;
    if (obstacle.kind === 'key-of-another-device') {
      const isOfSameBatch = obstacle.holders.some((holder) => holder.seq === seq);
      return { code: isOfSameBatch ? 'DUPLICATE_IN_BATCH' : 'KEY_IN_USE', ...stays };
    }
    const { holder } = obstacle;
    if (holder.seq === seq) return { code: 'DUPLICATE_IN_BATCH', ...stays };
    const chunk = this.#chunkOf(holder);
    // What a chunk gives back goes with its end: who has a claim behind it has a certificate.
    if (chunk?.segment === undefined) return { code: 'DEVICE_REQUEST_PENDING', ...stays };
    const { notAfterMs } = chunk;
    const { batchId } = chunk.batch;
    const isExpected =
      expectedHolder === undefined ||
      (expectedHolder.batchId === batchId && expectedHolder.index === holder.index);
    const isReplaced =
      (notAfterMs !== undefined && hasExpired(notAfterMs, this.#receivedAtMs)) ||
      (this.#renews &&
        isExpected &&
        !isOnHold(this.#tables.statuses.get(chunk.batch, holder.index)));
    return { code: 'DEVICE_ALREADY_ISSUED', notAfterMs, isReplaced };
  }

  #chunkOf({ seq, index }: Locator): ChunkRecord | undefined {
    const known = this.#read.find(
      ({ batch, firstIndex, count }) =>
        batch.seq === seq && firstIndex <= index && index < firstIndex + count,
    );
    if (known !== undefined) return known;
    const batch = this.#tables.batches.keyOfSeq(seq);
    const chunk = batch && this.#tables.chunks.findAt(batch, index);
    if (chunk !== undefined) this.#read.push(chunk);
    return chunk;
  }
}
