import { CertmillError, type BatchId, type TenantId } from '@certmill/domain';
import {
  bucketKey,
  bucketNumberOf,
  chunksPerBucket,
  noSums,
  type BucketDocument,
  type BucketSummary,
} from './bucket-document.js';
import type { BucketChange } from './bucket-editor.js';
import type { Buckets } from './buckets.js';
import { closedFault } from './closing-faults.js';

export interface Upload {
  readonly tenant: TenantId;
  readonly batchId: BatchId;
  readonly isBrokenOff: boolean;
}

/**
 * Stores the number of requests of an upload, once: in its last bucket or, where that is full, in the
 * place of the next one. A registration goes to the same document, so either it is seen here, or the
 * total is seen there. Resolves to the bucket, where it was changed. Faults: CONFLICT where another total
 * is stored, or more is registered.
 * @param lastBucket Where to look first.
 */
export async function sealUpload(
  buckets: Buckets,
  upload: Upload,
  total: number,
  lastBucket: number | undefined,
): Promise<BucketSummary | undefined> {
  const { tenant, batchId } = upload;
  let bucket = lastBucket;
  for (;;) {
    if (bucket === undefined) {
      const last = await buckets.last(tenant, batchId);
      bucket = last === undefined ? undefined : bucketNumberOf(last._id);
    }
    let end = 0;
    if (bucket !== undefined) {
      const change = sealing(upload, total);
      const { answer, bucket: sealed } = await buckets
        .editor(tenant, batchId, bucket)
        .change(change);
      if (answer === 'sealed') return sealed;
      ({ end } = answer);
    }
    assertNoMore(end, total);
    if (upload.isBrokenOff) throw closedFault('broken-off', batchId);
    const next = bucket === undefined ? 0 : bucket + 1;
    const taken = await buckets.insert({
      _id: bucketKey(tenant, batchId, next),
      registered: 0,
      firstIndex: end,
      end,
      total,
      sums: noSums,
      chunks: {},
    });
    if (taken === 'inserted') return undefined;
    bucket = undefined;
  }
}

/** Answers with the bucket where it is full. */
function sealing(upload: Upload, total: number): BucketChange<'sealed' | BucketDocument> {
  return {
    judge(bucket) {
      if (bucket === undefined) {
        throw new CertmillError('FAULT_STORE_CORRUPT', 'a bucket of chunks is missing');
      }
      if (bucket.total !== undefined && bucket.total !== total) {
        throw new CertmillError(
          'CONFLICT',
          `the batch was uploaded with ${String(bucket.total)} requests, not ${String(total)}`,
        );
      }
      if (upload.isBrokenOff) throw closedFault('broken-off', upload.batchId);
      if (bucket.total !== undefined) return { answer: 'sealed' };
      assertNoMore(bucket.end, total);
      if (bucket.registered === chunksPerBucket) return { answer: bucket };
      return { edit: { total }, answer: 'sealed' };
    },
  };
}

function assertNoMore(end: number, total: number): void {
  if (end > total) {
    throw new CertmillError('CONFLICT', `${String(end)} requests are stored already`);
  }
}
