import {
  CertmillError,
  isComplete,
  type Batch,
  type BatchId,
  type OrderId,
  type TenantId,
} from '@certmill/domain';
import type { Clock, Page, PageRequest } from '@certmill/ports';
import { BoundedCache } from '../connection/bounded-cache.js';
import type { Documents } from '../connection/documents.js';
import { listingKeyPattern, type ListingKeys } from '../listing-keys.js';
import { cursorPlace, pageLimit, pageOf } from '../page-cursor.js';
import { batchKey, type BatchDocument } from './batch-document.js';
import { nothingFolded, settledBatch, viewOf, type BatchView } from './batch-view.js';
import {
  bucketNumberOf,
  chunksOf,
  chunksPerBucket,
  type BucketSummary,
  type Closing,
} from './bucket-document.js';
import type { Buckets } from './buckets.js';
import { closeBatch } from './close-batch.js';
import { noSuchBatch } from './closing-faults.js';
import { sealUpload } from './seal-upload.js';

/** What never changes of a batch. */
export type BatchHead = Pick<BatchDocument, 'tenant' | 'batchId' | 'orderId' | 'lane'>;

const headsKept = 4_096;
/** Batches of one page that are read at the same time. */
const batchesAtOnce = 8;
/** Somebody else noting the same at the same time is rare, and done after one more look. */
const maxTries = 16;

/** Batches, as far as they are more than their chunks. */
export class Batches {
  readonly #batches: Documents<BatchDocument>;
  readonly #buckets: Buckets;
  readonly #listingKeys: ListingKeys;
  readonly #clock: Clock;
  readonly #heads = new BoundedCache<BatchHead>(headsKept);

  constructor(
    batches: Documents<BatchDocument>,
    buckets: Buckets,
    listingKeys: ListingKeys,
    clock: Clock,
  ) {
    this.#batches = batches;
    this.#buckets = buckets;
    this.#listingKeys = listingKeys;
    this.#clock = clock;
  }

  async openBatch(batch: Batch): Promise<Batch> {
    const { tenant, batchId, orderId, lane, idempotencyKey, createdAtMs } = batch;
    const document: BatchDocument = {
      _id: batchKey(tenant, batchId),
      tenant,
      batchId,
      orderId,
      lane,
      idempotencyKey,
      createdAtMs,
      listedAs: this.#listingKeys.next(),
    };
    if ((await this.#batches.insert(document)) === 'exists') return this.require(tenant, batchId);
    this.#heads.set(document._id, document);
    return viewOf(document, [], 0).batch;
  }

  async getBatch(tenant: TenantId, batchId: BatchId): Promise<Batch | undefined> {
    const document = await this.#batches.get(batchKey(tenant, batchId));
    return document && this.#look(document, this.#clock.nowMs());
  }

  /** Which of the tenants has a batch of this id. */
  async ownerOf(tenants: readonly TenantId[], batchId: BatchId): Promise<TenantId | undefined> {
    const keys = tenants.map((tenant) => batchKey(tenant, batchId));
    const [found] = await this.#batches.getMany(keys, ['tenant']);
    return found?.tenant;
  }

  /** Faults: NOT_FOUND. */
  async require(tenant: TenantId, batchId: BatchId): Promise<Batch> {
    const batch = await this.getBatch(tenant, batchId);
    if (batch === undefined) throw noSuchBatch(batchId);
    return batch;
  }

  async head(tenant: TenantId, batchId: BatchId): Promise<BatchHead | undefined> {
    const key = batchKey(tenant, batchId);
    const kept = this.#heads.get(key);
    if (kept !== undefined) return kept;
    const document = await this.#batches.get(key, ['tenant', 'batchId', 'orderId', 'lane']);
    if (document !== undefined) this.#heads.set(key, document);
    return document;
  }

  /** All shards look into their index by tenant, order and listing key. */
  async listBatches(tenant: TenantId, orderId: OrderId, page: PageRequest): Promise<Page<Batch>> {
    const limit = pageLimit(page);
    const before = cursorPlace(page, listingKeyPattern);
    const where = {
      tenant,
      orderId,
      ...(before === undefined ? {} : { listedAs: { $lt: before } }),
    };
    const found = await this.#batches.find(where, { sort: { listedAs: -1 }, limit: limit + 1 });
    const { items, next } = pageOf(
      found,
      limit,
      (document) => document,
      ({ listedAs }) => listedAs,
    );
    const batches: Batch[] = [];
    for (let at = 0; at < items.length; at += batchesAtOnce) {
      const together = items.slice(at, at + batchesAtOnce);
      const nowMs = this.#clock.nowMs();
      batches.push(...(await Promise.all(together.map((each) => this.#look(each, nowMs)))));
    }
    return { items: batches, ...(next === undefined ? {} : { next }) };
  }

  /** @param lastBucket Where a chunk was last registered here, if it was. */
  async completeUpload(
    tenant: TenantId,
    batchId: BatchId,
    total: number,
    atMs: number,
    lastBucket: number | undefined,
  ): Promise<Batch> {
    const document = await this.#batches.get(batchKey(tenant, batchId));
    if (document === undefined) throw noSuchBatch(batchId);
    const isBrokenOff = document.brokenOffAtMs !== undefined;
    const upload = { tenant, batchId, isBrokenOff };
    const sealed = await sealUpload(this.#buckets, upload, total, lastBucket);
    return this.#look(document, atMs, sealed);
  }

  async cancelBatch(tenant: TenantId, batchId: BatchId, atMs: number): Promise<Batch | undefined> {
    const _id = batchKey(tenant, batchId);
    for (let tries = 0; tries < maxTries; tries += 1) {
      const document = await this.#batches.get(_id);
      if (document === undefined) return undefined;
      const batch = await this.#look(document, atMs);
      if (batch.cancelledAtMs !== undefined || batch.completedAtMs !== undefined) return batch;
      const where = {
        _id,
        cancelledAtMs: null,
        settled: null,
        'completion.reopenings': document.completion?.reopenings ?? null,
      };
      await this.#batches.update(where, { $set: { cancelledAtMs: atMs } });
    }
    throw neverDone();
  }

  /** Its upload can never be resumed: what it has accepted goes on to its end, and is all of it. */
  async breakOffBatch(tenant: TenantId, batchId: BatchId, atMs: number): Promise<void> {
    const _id = batchKey(tenant, batchId);
    const where = { _id, cancelledAtMs: null, brokenOffAtMs: null, settled: null };
    await this.#batches.update(where, { $set: { brokenOffAtMs: atMs } });
    await this.noteProgress(tenant, batchId, atMs);
  }

  /**
   * Something of the batch ended: notes what follows from it for the batch.
   * @param changed The bucket as that left it.
   */
  async noteProgress(
    tenant: TenantId,
    batchId: BatchId,
    atMs: number,
    changed?: BucketSummary,
  ): Promise<void> {
    const document = await this.#batches.get(batchKey(tenant, batchId));
    if (document === undefined || settledBatch(document) !== undefined) return;
    await this.#finishClosing(document);
    const view = await this.#view(document, changed);
    await this.#fold(document, view);
    await this.#note(document, view, atMs);
  }

  /** Adds the batch up, and notes its completion where nobody has. */
  async #look(document: BatchDocument, atMs: number, changed?: BucketSummary): Promise<Batch> {
    let current = document;
    for (let tries = 0; tries < maxTries; tries += 1) {
      const settled = settledBatch(current);
      if (settled !== undefined) return settled;
      await this.#finishClosing(current);
      const view = await this.#view(current, tries === 0 ? changed : undefined);
      if (!(await this.#note(current, view, atMs))) return view.batch;
      current = (await this.#batches.get(current._id)) ?? current;
    }
    throw neverDone();
  }

  /** A mark on the batch comes first: whoever set it may have got no further. */
  async #finishClosing(document: BatchDocument): Promise<void> {
    const { tenant, batchId, swept } = document;
    const closing = closingOf(document);
    if (closing === undefined || swept === closing) return;
    await closeBatch(this.#buckets, tenant, batchId, closing);
    await this.#batches.update({ _id: document._id }, { $set: { swept: closing } });
  }

  /**
   * @param changed A bucket as a change of this process left it: the only one is all there is to read, but
   *   for a closed batch, of which more may have been accepted after that and before it was closed.
   */
  async #view(document: BatchDocument, changed?: BucketSummary): Promise<BatchView> {
    const { tenant, batchId } = document;
    const { buckets, end } = document.folded ?? nothingFolded;
    const summaries =
      changed !== undefined && isOnly(changed) && closingOf(document) === undefined
        ? [changed]
        : [...(await this.#buckets.summaries(tenant, batchId, buckets))];
    let nextIndex = end;
    for (const [i, bucket] of summaries.entries()) {
      if (bucket.sums.confirmed < bucket.registered) {
        const read = await this.#buckets.get(tenant, batchId, buckets + i);
        if (read === undefined) break;
        // Its sums too: what was confirmed since is accepted, and in flight.
        summaries[i] = read;
        nextIndex = confirmedUpTo(read);
        break;
      }
      nextIndex = bucket.end;
      if (bucket.registered < chunksPerBucket) break;
    }
    return viewOf(document, summaries, nextIndex);
  }

  /** Once per bucket: whoever comes second finds another number of folded buckets. */
  async #fold({ _id, folded }: BatchDocument, view: BatchView): Promise<void> {
    const before = folded?.buckets ?? 0;
    if (view.folded.buckets === before) return;
    const where = { _id, 'folded.buckets': folded === undefined ? null : before };
    await this.#batches.update(where, { $set: { folded: view.folded } });
  }

  /** Whether there was something to note, and so to be read again. */
  async #note({ _id }: BatchDocument, view: BatchView, atMs: number): Promise<boolean> {
    const { batch, sums } = view;
    if (!isComplete(batch)) return false;
    const { counters, nextIndex, total } = batch;
    const isSettled = counters.deadLettered === 0;
    const settled = { counters, nextIndex, ...(total === undefined ? {} : { total }) };
    const settling = isSettled ? { settled } : {};
    if (batch.completedAtMs === undefined) {
      const { reopenings } = sums;
      const older = [{ completion: null }, { 'completion.reopenings': { $lt: reopenings } }];
      const completion = { atMs, reopenings };
      await this.#batches.update({ _id, $or: older }, { $set: { completion, ...settling } });
      return true;
    }
    if (isSettled) await this.#batches.update({ _id, settled: null }, { $set: settling });
    return false;
  }
}

function closingOf({ cancelledAtMs, brokenOffAtMs }: BatchDocument): Closing | undefined {
  if (cancelledAtMs !== undefined) return 'cancelled';
  return brokenOffAtMs === undefined ? undefined : 'broken-off';
}

/** A next one is begun behind a full one only. */
function isOnly({ _id, registered }: BucketSummary): boolean {
  return bucketNumberOf(_id) === 0 && registered < chunksPerBucket;
}

function confirmedUpTo(bucket: Parameters<typeof chunksOf>[0] & { readonly firstIndex: number }) {
  let upTo = bucket.firstIndex;
  for (const { chunk } of chunksOf(bucket)) {
    if (!chunk.confirmed) break;
    upTo = chunk.firstIndex + chunk.count;
  }
  return upTo;
}

function neverDone(): CertmillError {
  return new CertmillError('FAULT_STORE_DOWN', 'others are always first at a batch');
}
