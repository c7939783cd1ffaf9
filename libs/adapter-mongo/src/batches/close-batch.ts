import type { BatchId, TenantId } from '@certmill/domain';
import {
  bucketKey,
  bucketNumberOf,
  chunksPerBucket,
  noSums,
  type Closing,
} from './bucket-document.js';
import type { Buckets } from './buckets.js';

/**
 * Closes every bucket of a batch, and takes the place of the one that might be begun next: a bucket is
 * begun behind a full one only, by inserting it. So when this resolves nothing can be registered or
 * confirmed any more, whoever was about to. Idempotent; the batch is marked before.
 */
export async function closeBatch(
  buckets: Buckets,
  tenant: TenantId,
  batchId: BatchId,
  closing: Closing,
): Promise<void> {
  for (;;) {
    await buckets.closeAll(tenant, batchId, closing);
    const last = await buckets.last(tenant, batchId);
    if (last !== undefined && last.registered < chunksPerBucket) {
      // Begun after the others were closed: once more.
      if (last.closed !== closing) continue;
      return;
    }
    const next = last === undefined ? 0 : bucketNumberOf(last._id) + 1;
    const end = last?.end ?? 0;
    const taken = await buckets.insert({
      _id: bucketKey(tenant, batchId, next),
      registered: 0,
      firstIndex: end,
      end,
      ...(last?.total === undefined ? {} : { total: last.total }),
      closed: closing,
      sums: noSums,
      chunks: {},
    });
    if (taken === 'inserted') return;
  }
}
