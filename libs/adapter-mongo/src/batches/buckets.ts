import { maxRequestsPerChunk, type BatchId, type ChunkRef, type TenantId } from '@certmill/domain';
import { BoundedCache } from '../connection/bounded-cache.js';
import { idsUnder, type Documents } from '../connection/documents.js';
import {
  bucketKey,
  bucketOfChunk,
  bucketsOf,
  chunkIn,
  chunksOf,
  chunksPerBucket,
  slotOf,
  summaryFields,
  type BucketDocument,
  type BucketSummary,
  type ChunkDocument,
  type Closing,
} from './bucket-document.js';
import { BucketEditor, type BucketChange, type Changed } from './bucket-editor.js';
import { ChunkViews, type ChunkView } from './chunk-views.js';

/** Some 20 KB each. */
const editorsKept = 512;
const maxBucketsAtOnce = 128;

/** The buckets of all batches: reading and finding, and who changes which. */
export class Buckets {
  readonly #buckets: Documents<BucketDocument>;
  readonly #random: () => number;
  readonly #views: ChunkViews;
  readonly #editors = new BoundedCache<BucketEditor>(editorsKept, (editor) => editor.isIdle);

  constructor(buckets: Documents<BucketDocument>, random: () => number) {
    this.#buckets = buckets;
    this.#random = random;
    this.#views = new ChunkViews(buckets);
  }

  editor(tenant: TenantId, batchId: BatchId, bucket: number): BucketEditor {
    const id = bucketKey(tenant, batchId, bucket);
    const kept = this.#editors.get(id);
    if (kept !== undefined) return kept;
    const editor = new BucketEditor(this.#buckets, id, this.#random);
    this.#editors.set(id, editor);
    return editor;
  }

  change<T>(chunk: ChunkRef, change: BucketChange<T>): Promise<Changed<T>> {
    const { tenant, batchId, chunkNumber } = chunk;
    return this.editor(tenant, batchId, bucketOfChunk(chunkNumber)).change(change);
  }

  /** As it is now; undefined where it is not registered. */
  view({ tenant, batchId, chunkNumber }: ChunkRef): Promise<ChunkView | undefined> {
    const id = bucketKey(tenant, batchId, bucketOfChunk(chunkNumber));
    return this.#views.read(id, slotOf(chunkNumber));
  }

  /** A registered chunk, of which only what is pinned may be used: the rest may be old. */
  async pinned(chunk: ChunkRef): Promise<ChunkDocument | undefined> {
    const { tenant, batchId, chunkNumber } = chunk;
    const { known } = this.editor(tenant, batchId, bucketOfChunk(chunkNumber));
    return chunkIn(known, chunkNumber) ?? (await this.view(chunk))?.chunk;
  }

  /**
   * From a bucket on, in order. Asked for by their `_id`s, a few more each time: that goes to the shards that
   * have them, where a range would ask all shards, and a single enrolment has one.
   */
  async summaries(
    tenant: TenantId,
    batchId: BatchId,
    from: number,
  ): Promise<readonly BucketSummary[]> {
    const summaries: BucketSummary[] = [];
    for (let count = 2; ; count = Math.min(count * 4, maxBucketsAtOnce)) {
      const first = from + summaries.length;
      const ids = Array.from({ length: count }, (_, i) => bucketKey(tenant, batchId, first + i));
      const found = await this.#buckets.getMany(ids, summaryFields);
      const byId = new Map(found.map((bucket) => [bucket._id, bucket]));
      for (const id of ids) {
        const bucket = byId.get(id);
        if (bucket === undefined) return summaries;
        summaries.push(bucket);
      }
    }
  }

  /** The last bucket, which may hold no chunk. All shards look into their index on `_id`. */
  async last(tenant: TenantId, batchId: BatchId): Promise<BucketDocument | undefined> {
    const where = idsUnder(bucketsOf(tenant, batchId));
    return (await this.#buckets.find(where, { sort: { _id: -1 }, limit: 1 }))[0];
  }

  get(tenant: TenantId, batchId: BatchId, bucket: number): Promise<BucketDocument | undefined> {
    return this.editor(tenant, batchId, bucket).read();
  }

  /** Buckets from one on that have dead letters, in order. All shards, as `last`. */
  withLetters(
    tenant: TenantId,
    batchId: BatchId,
    from: number,
    limit: number,
  ): Promise<readonly BucketDocument[]> {
    const _id = { ...rangeOf(tenant, batchId), $gte: bucketKey(tenant, batchId, from) };
    return this.#buckets.find({ _id, 'sums.letters': { $gt: 0 } }, { sort: { _id: 1 }, limit });
  }

  /** Closes those that are there; all shards, each document by itself. */
  closeAll(tenant: TenantId, batchId: BatchId, closing: Closing): Promise<void> {
    const where = { ...idsUnder(bucketsOf(tenant, batchId)), closed: { $ne: closing } };
    return this.#buckets.updateAll(where, { $set: { closed: closing } });
  }

  insert(bucket: BucketDocument): Promise<'inserted' | 'exists'> {
    return this.#buckets.insert(bucket);
  }

  /**
   * The registered chunk that holds an index. A bucket holds 64 indexes at least and 65,536 at most; those
   * of a batch are much alike, so the second guess is nearly always right. Otherwise the range is halved,
   * one `_id` at a time.
   */
  async chunkAt(
    tenant: TenantId,
    batchId: BatchId,
    index: number,
  ): Promise<{ readonly chunkNumber: number; readonly chunk: ChunkDocument } | undefined> {
    if (!Number.isSafeInteger(index) || index < 0) return undefined;
    let low = Math.floor(index / (chunksPerBucket * maxRequestsPerChunk));
    let high = Math.floor(index / chunksPerBucket);
    let guess = low;
    for (let tries = 1; low <= high; tries++) {
      const bucket = await this.#holding(tenant, batchId, guess, index);
      if (bucket === undefined || index < bucket.firstIndex) high = guess - 1;
      else if (index >= bucket.end) low = guess + 1;
      else {
        for (const each of chunksOf(bucket)) {
          if (index < each.chunk.firstIndex + each.chunk.count) return each;
        }
        return undefined;
      }
      const ahead = bucket && Math.floor((index - bucket.end) / (bucket.end - bucket.firstIndex));
      const isFirst = tries === 1 && ahead !== undefined && ahead >= 0;
      guess = isFirst ? Math.min(high, low + ahead) : Math.floor((low + high) / 2);
    }
    return undefined;
  }

  /** What is known of a bucket where that settles the question, else the bucket as it is now. */
  #holding(tenant: TenantId, batchId: BatchId, bucket: number, index: number) {
    const editor = this.editor(tenant, batchId, bucket);
    const { known } = editor;
    const isSettled =
      known !== undefined && (known.registered === chunksPerBucket || index < known.end);
    return isSettled ? Promise.resolve(known) : editor.read();
  }
}

function rangeOf(tenant: TenantId, batchId: BatchId): Record<string, string> {
  return { ...(idsUnder(bucketsOf(tenant, batchId))['_id'] as Record<string, string>) };
}
