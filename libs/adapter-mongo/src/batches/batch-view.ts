import type { Batch } from '@certmill/domain';
import type { BatchDocument, Folded } from './batch-document.js';
import {
  addSums,
  chunksPerBucket,
  noSums,
  type BucketSummary,
  type Sums,
} from './bucket-document.js';

/** A batch as its documents have it. */
export interface BatchView {
  readonly batch: Batch;
  readonly sums: Sums;
  /** The folded part with the leading buckets that are done since. */
  readonly folded: Folded;
}

export const nothingFolded: Folded = { buckets: 0, end: 0, sums: noSums };

/**
 * Adds a batch up. Each bucket is what it was at one moment, so no request is counted twice and
 * nothing in flight is below zero.
 * @param summaries Of the buckets behind the folded ones, in order, without gaps.
 * @param nextIndex The first index that is not confirmed.
 */
export function viewOf(
  document: BatchDocument,
  summaries: readonly BucketSummary[],
  nextIndex: number,
): BatchView {
  let folded = document.folded ?? nothingFolded;
  let sums = folded.sums;
  let total = folded.total;
  let isLeading = true;
  for (const bucket of summaries) {
    sums = addSums(sums, bucket.sums);
    total ??= bucket.total;
    isLeading = isLeading && bucket.sums.ended === chunksPerBucket;
    if (isLeading) {
      folded = {
        buckets: folded.buckets + 1,
        end: bucket.end,
        ...(total === undefined ? {} : { total }),
        sums,
      };
    }
  }
  const { completion } = document;
  const completedAtMs = completion?.reopenings === sums.reopenings ? completion.atMs : undefined;
  const { accepted, issued, rejected, cancelled, deadLettered } = sums;
  const counters = { accepted, issued, rejected, cancelled, deadLettered };
  const batch = batchOf(document, { counters, nextIndex, total }, completedAtMs);
  return { batch, sums, folded };
}

/** A batch in which nothing can change any more. */
export function settledBatch(document: BatchDocument): Batch | undefined {
  const { settled, completion } = document;
  return settled && batchOf(document, settled, completion?.atMs);
}

function batchOf(
  document: BatchDocument,
  progress: Pick<Batch, 'counters' | 'nextIndex'> & { readonly total?: number | undefined },
  completedAtMs: number | undefined,
): Batch {
  const { cancelledAtMs, brokenOffAtMs } = document;
  const { total } = progress;
  return {
    tenant: document.tenant,
    batchId: document.batchId,
    orderId: document.orderId,
    lane: document.lane,
    idempotencyKey: document.idempotencyKey,
    createdAtMs: document.createdAtMs,
    nextIndex: progress.nextIndex,
    ...(total === undefined ? {} : { total }),
    ...(cancelledAtMs === undefined ? {} : { cancelledAtMs }),
    ...(brokenOffAtMs === undefined ? {} : { brokenOffAtMs }),
    ...(completedAtMs === undefined ? {} : { completedAtMs }),
    counters: progress.counters,
  };
}
