import { inFlightOf } from '@certmill/domain';
import type { BatchDocument } from './batch-document.js';
import { nothingFolded, settledBatch, viewOf } from './batch-view.js';
import { chunksPerBucket, noSums, type BucketSummary, type Sums } from './bucket-document.js';

const document: BatchDocument = {
  _id: 't/b',
  tenant: 't',
  batchId: 'b',
  orderId: 'o',
  lane: 'bulk',
  idempotencyKey: 'k',
  createdAtMs: 1,
  listedAs: '0',
};

/** Of 64 single requests; all of them confirmed, and issued where they ended. */
function aSummary(n: number, sums: Partial<Sums> = {}): BucketSummary {
  const firstIndex = n * chunksPerBucket;
  const confirmed = { confirmed: chunksPerBucket, accepted: chunksPerBucket };
  return {
    _id: `t/b/00000${String(n)}`,
    registered: chunksPerBucket,
    firstIndex,
    end: firstIndex + chunksPerBucket,
    sums: { ...noSums, ...confirmed, ...sums },
  };
}

const ended = { ended: chunksPerBucket, issued: chunksPerBucket };

describe('a batch as it is added up', () => {
  test('is the folded part and the buckets behind it; only leading ones that are done are folded', () => {
    const first = viewOf(document, [aSummary(0, ended), aSummary(1), aSummary(2, ended)], 192);
    expect(first.folded).toEqual({ buckets: 1, end: 64, sums: aSummary(0, ended).sums });
    const { counters } = first.batch;
    expect(counters).toMatchObject({ accepted: 192, issued: 128 });
    expect(inFlightOf(counters)).toBe(64);
    const folded = { ...document, folded: first.folded };
    const again = viewOf(folded, [aSummary(1), aSummary(2, ended)], 192);
    expect(again.batch).toEqual(first.batch);
    expect(again.folded).toEqual(first.folded);
  });

  test('keeps a total that a folded bucket has', () => {
    const sealed = { ...aSummary(0, ended), total: 64 };
    const { batch, folded } = viewOf(document, [sealed], 64);
    expect(batch.total).toBe(64);
    expect(viewOf({ ...document, folded }, [], 64).batch).toEqual(batch);
  });

  test('is complete as long as nothing was reopened since', () => {
    const noted = { ...document, completion: { atMs: 9, reopenings: 1 } };
    const before = viewOf(noted, [aSummary(0, { ...ended, reopenings: 1 })], 64);
    expect(before.batch.completedAtMs).toBe(9);
    const after = viewOf(noted, [aSummary(0, { ...ended, reopenings: 2 })], 64);
    expect(after.batch.completedAtMs).toBeUndefined();
  });

  test('needs no bucket once it is settled', () => {
    expect(settledBatch(document)).toBeUndefined();
    const noted = { ...document, completion: { atMs: 9, reopenings: 0 } };
    const { batch } = viewOf(noted, [{ ...aSummary(0, ended), total: 64 }], 64);
    const { counters, nextIndex, total = 0 } = batch;
    expect(settledBatch({ ...noted, settled: { counters, nextIndex, total } })).toEqual(batch);
    expect(viewOf(document, [], 0).folded).toEqual(nothingFolded);
  });
});
