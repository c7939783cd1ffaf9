import type { Batch, BatchId, Counters, TenantId } from '@certmill/domain';
import type { Stored } from '../connection/documents.js';
import type { Closing, Sums } from './bucket-document.js';

/** The leading buckets in which nothing can change any more, added up. */
export interface Folded {
  readonly buckets: number;
  /** The index after their last request. */
  readonly end: number;
  readonly total?: number;
  readonly sums: Sums;
}

/** `_id`: `<tenant>/<batch>`. What is not here is in the buckets. */
export interface BatchDocument
  extends
    Stored,
    Pick<
      Batch,
      | 'tenant'
      | 'batchId'
      | 'orderId'
      | 'lane'
      | 'idempotencyKey'
      | 'createdAtMs'
      | 'cancelledAtMs'
      | 'brokenOffAtMs'
    > {
  /** Of `ListingKeys`. */
  readonly listedAs: string;
  /** Every bucket is closed for this reason, and none can be begun. */
  readonly swept?: Closing;
  readonly folded?: Folded;
  /** When nothing was left to do; of no meaning once there were more reopenings. */
  readonly completion?: { readonly atMs: number; readonly reopenings: number };
  /** Nothing of the batch can change any more: its buckets need not be read. */
  readonly settled?: {
    readonly counters: Counters;
    readonly nextIndex: number;
    readonly total?: number;
  };
}

export function batchKey(tenant: TenantId, batchId: BatchId): string {
  return `${tenant}/${batchId}`;
}
