import type { Documents } from '../connection/documents.js';
import {
  bucketKey,
  chunksPerBucket,
  noSums,
  slotName,
  type BucketDocument,
  type ChunkDocument,
} from './bucket-document.js';
import { Buckets } from './buckets.js';

const tenant = 'acme';
const batchId = '0'.repeat(26);

/** A batch with so many full buckets of chunks of one size, and how often it was asked. */
function aBatch(buckets: number, requestsPerChunk: number) {
  const stored = new Map<string, BucketDocument>();
  const span = chunksPerBucket * requestsPerChunk;
  for (let n = 0; n < buckets; n++) {
    const chunks = Array.from({ length: chunksPerBucket }, (_, slot) => {
      const firstIndex = n * span + slot * requestsPerChunk;
      return [slotName(slot), { firstIndex, count: requestsPerChunk } as ChunkDocument];
    });
    const _id = bucketKey(tenant, batchId, n);
    stored.set(_id, {
      _id,
      registered: chunksPerBucket,
      firstIndex: n * span,
      end: (n + 1) * span,
      sums: noSums,
      chunks: Object.fromEntries(chunks) as BucketDocument['chunks'],
    });
  }
  const asked = { times: 0 };
  const documents: Partial<Documents<BucketDocument>> = {
    get(id) {
      asked.times++;
      return Promise.resolve(stored.get(id));
    },
    getMany(ids) {
      asked.times++;
      // In any order.
      return Promise.resolve(ids.flatMap((id) => stored.get(id) ?? []).reverse());
    },
  };
  return {
    stored,
    asked,
    buckets: new Buckets(documents as Documents<BucketDocument>, () => 0.5),
  };
}

describe('the buckets of a batch', () => {
  it.each([0, 1, 2, 3, 9, 10, 11, 42, 300])('are found, all %d, in order', async (count) => {
    const { buckets, stored } = aBatch(count, 1);
    const found = await buckets.summaries(tenant, batchId, 0);
    expect(found.map(({ _id }) => _id)).toEqual([...stored.keys()]);
    const rest = await buckets.summaries(tenant, batchId, 5);
    expect(rest.map(({ _id }) => _id)).toEqual([...stored.keys()].slice(5));
  });

  it('are asked for once where it is a single enrolment', async () => {
    const { buckets, asked } = aBatch(1, 1);
    await buckets.summaries(tenant, batchId, 0);
    expect(asked.times).toBe(1);
  });

  it('end before one that is not there yet', async () => {
    const { buckets, stored } = aBatch(4, 1);
    stored.delete(bucketKey(tenant, batchId, 2));
    expect(await buckets.summaries(tenant, batchId, 0)).toHaveLength(2);
  });

  it.each([1, 256, 580, 1_000, 1_024])(
    'tell the chunk of an index in two looks or so: %d requests a chunk',
    async (requests) => {
      const all = 100;
      for (const chunkNumber of [0, 63, 64, 1_700, all * chunksPerBucket - 1]) {
        const { buckets, asked } = aBatch(all, requests);
        const index = chunkNumber * requests + Math.floor(requests / 2);
        const found = await buckets.chunkAt(tenant, batchId, index);
        expect([index, found?.chunkNumber]).toEqual([index, chunkNumber]);
        expect(asked.times).toBeLessThanOrEqual(3);
      }
      const { buckets } = aBatch(all, requests);
      expect(
        await buckets.chunkAt(tenant, batchId, all * chunksPerBucket * requests),
      ).toBeUndefined();
    },
  );
});
