import { MongoClient } from 'mongodb';
import {
  addSums,
  chunksOf,
  noSums,
  type BucketDocument,
  type Sums,
} from '../batches/bucket-document.js';
import { mongoUri } from './a-mongo-store.js';

/** The buckets of a tenant (or of all) as they lie in the database. */
export async function storedBuckets(database: string, tenant = ''): Promise<BucketDocument[]> {
  const client = new MongoClient(mongoUri(), { promoteBuffers: true });
  try {
    const buckets = client.db(database).collection<BucketDocument>('buckets');
    const found = await buckets.find({}).sort({ _id: 1 }).toArray();
    return found.filter(({ _id }) => _id.startsWith(tenant));
  } finally {
    await client.close();
  }
}

/** Each bucket's sums are those of its chunks, and buckets of a batch go on where others end. */
export async function expectBucketsToAddUp(database: string, tenant = ''): Promise<void> {
  let before: BucketDocument | undefined;
  for (const bucket of await storedBuckets(database, tenant)) {
    expect({ _id: bucket._id, ...bucket.sums }).toEqual({ _id: bucket._id, ...sumsOf(bucket) });
    expect(Object.keys(bucket.chunks)).toHaveLength(bucket.registered);
    const isNext = before !== undefined && batchOf(before) === batchOf(bucket);
    expect(bucket.firstIndex).toBe(isNext ? before?.end : 0);
    let end = bucket.firstIndex;
    for (const { chunk } of chunksOf(bucket)) {
      expect(chunk.firstIndex).toBe(end);
      end += chunk.count;
    }
    expect(bucket.end).toBe(end);
    before = bucket;
  }
}

/** Reopenings are no sum over chunks as they are now. */
function sumsOf(bucket: BucketDocument): Sums {
  let sums: Sums = { ...noSums, reopenings: bucket.sums.reopenings };
  for (const { chunk } of chunksOf(bucket)) {
    const { confirmed, count, ends, letter } = chunk;
    if (confirmed) sums = addSums(sums, { confirmed: 1, accepted: count });
    if (ends !== undefined) sums = addSums(sums, { ended: 1, ...ends });
    else if (letter !== undefined) {
      const isDead = letter.retriedAtMs === undefined;
      sums = addSums(sums, { letters: 1, deadLettered: isDead ? count : 0 });
    }
  }
  return sums;
}

function batchOf({ _id }: BucketDocument): string {
  return _id.slice(0, _id.lastIndexOf('/'));
}
