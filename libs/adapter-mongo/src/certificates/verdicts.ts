import { CertmillError, type ChunkRef, type Order } from '@certmill/domain';
import type { Decision, VerdictStore } from '@certmill/ports';
import type { Orders } from '../accounts/orders.js';
import type { Batches } from '../batches/batches.js';
import type { Buckets } from '../batches/buckets.js';
import { confirming } from '../batches/chunk-changes.js';
import { neverRegistered } from '../batches/closing-faults.js';
import type { ClaimJournal, OrderTerms } from '../journal/claim-journal.js';

export interface VerdictParts {
  readonly batches: Batches;
  readonly buckets: Buckets;
  readonly orders: Orders;
  readonly journal: ClaimJournal;
}

/** Decisions: that the chunk is its batch's comes first, then the journal has the say. */
export class Verdicts implements VerdictStore {
  readonly #parts: VerdictParts;

  constructor(parts: VerdictParts) {
    this.#parts = parts;
  }

  getVerdict(chunk: ChunkRef): Promise<Uint8Array | undefined> {
    return this.#parts.journal.getVerdict(chunk);
  }

  async decide(decision: Decision): Promise<Uint8Array> {
    const { batches, buckets, orders, journal } = this.#parts;
    const { chunk, orderId } = decision;
    const { tenant, batchId, chunkNumber } = chunk;
    const ref = { tenant, batchId, chunkNumber };
    const [head, order] = await Promise.all([
      batches.head(tenant, batchId),
      orders.stored(tenant, orderId),
      buckets.change(ref, confirming(ref)),
    ]);
    if (head === undefined) throw neverRegistered(ref);
    if (order === undefined || head.orderId !== orderId) {
      throw new CertmillError('FAULT_PROCESSING', `order ${orderId} has no such chunk`);
    }
    return journal.decide({ ...decision, chunk: ref }, termsOf(order), head.lane === 'interactive');
  }
}

function termsOf({ quota, expiresAtMs, closedAtMs, renews }: Order): OrderTerms {
  return {
    quota,
    expiresAtMs,
    isClosed: closedAtMs !== undefined,
    ...(renews === true ? { renews } : {}),
  };
}
