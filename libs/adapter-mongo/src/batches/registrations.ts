import {
  CertmillError,
  isCertmillError,
  type BatchId,
  type ChunkRef,
  type TenantId,
} from '@certmill/domain';
import type { ChunkRegistration } from '@certmill/ports';
import { BoundedCache } from '../connection/bounded-cache.js';
import type { IssuanceTime } from '../issuance-time.js';
import {
  bucketKey,
  bucketNumberOf,
  bucketOfChunk,
  chunkIn,
  chunksPerBucket,
  noSums,
  registrationOf,
  slotName,
  slotOf,
  type BucketDocument,
  type ChunkDocument,
  type Closing,
} from './bucket-document.js';
import type { Judged } from './bucket-editor.js';
import type { Buckets } from './buckets.js';
import type { Batches } from './batches.js';
import { closedFault, noSuchBatch } from './closing-faults.js';

interface Waiting {
  readonly registration: ChunkRegistration;
  readonly resolve: (inForce: ChunkRegistration) => void;
  readonly reject: (error: unknown) => void;
}

const batchesKept = 1_024;

/** What comes of one registration: itself or another in force, a refusal, or a look further back. */
type Outcome =
  | { readonly chunk: ChunkDocument; readonly ref: ChunkRef }
  | { readonly refusal: CertmillError }
  /** Another chunk holds this index. */
  | { readonly heldAt: number };

/** Where a batch's chunks end: the next one goes on there. */
interface Tail {
  readonly chunks: number;
  readonly end: number;
  readonly digest?: Uint8Array;
  readonly total?: number;
  readonly closed?: Closing;
}

/**
 * Registrations of each batch, in the order of the calls: those that wait go together, as one update
 * of their bucket. A bucket is only begun where the one before is full: it is inserted with its first
 * chunks, which fails where somebody else began it, or closed the batch (`closeBatch`).
 */
export class Registrations {
  readonly #buckets: Buckets;
  readonly #issuanceTime: IssuanceTime;
  readonly #batches: Batches;
  /** Of batches in which somebody waits. */
  readonly #queues = new Map<string, Waiting[]>();
  readonly #lastBuckets = new BoundedCache<number>(batchesKept);

  constructor(batches: Batches, buckets: Buckets, issuanceTime: IssuanceTime) {
    this.#batches = batches;
    this.#buckets = buckets;
    this.#issuanceTime = issuanceTime;
  }

  /** Takes its place behind the calls before it at once. Faults: NOT_FOUND, CONFLICT. */
  register(registration: ChunkRegistration): Promise<ChunkRegistration> {
    const { tenant, batchId } = registration;
    return new Promise((resolve, reject) => {
      const key = `${tenant}/${batchId}`;
      const waiting = { registration, resolve, reject };
      const queue = this.#queues.get(key);
      if (queue !== undefined) queue.push(waiting);
      else {
        this.#queues.set(key, [waiting]);
        void this.#drain(key, tenant, batchId);
      }
    });
  }

  /** The bucket that a chunk was last registered in here; maybe not the last one any more. */
  lastBucket(tenant: TenantId, batchId: BatchId): number | undefined {
    return this.#lastBuckets.get(`${tenant}/${batchId}`);
  }

  async #drain(key: string, tenant: TenantId, batchId: BatchId): Promise<void> {
    for (;;) {
      const queue = this.#queues.get(key) ?? [];
      const [first] = queue;
      if (first === undefined) break;
      const bucket = bucketOfChunk(first.registration.chunkNumber);
      const others = queue.findIndex(
        ({ registration }) => bucketOfChunk(registration.chunkNumber) !== bucket,
      );
      const group = queue.splice(0, others < 0 ? queue.length : others);
      try {
        await this.#registerAll(tenant, batchId, bucket, group);
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#queues.delete(key);
  }

  async #registerAll(
    tenant: TenantId,
    batchId: BatchId,
    bucket: number,
    group: readonly Waiting[],
  ): Promise<void> {
    if ((await this.#batches.head(tenant, batchId)) === undefined) throw noSuchBatch(batchId);
    const registrations = group.map(({ registration }) => registration);
    const before = await this.#tailBefore(tenant, batchId, bucket);
    const pinning = this.#issuanceTime.pin(latest(registrations));
    const [{ answer: outcomes }] = await Promise.all([
      this.#buckets.editor(tenant, batchId, bucket).change({
        judge: (known, isFresh) => judge(known, isFresh, before, bucket, registrations),
      }),
      pinning,
    ]);
    this.#lastBuckets.set(`${tenant}/${batchId}`, bucket);
    const inForce = await Promise.all(
      outcomes.map((outcome) => this.#inForce(tenant, batchId, outcome)),
    );
    // One that was stored before may be of a clock that was ahead of ours.
    const stored = inForce.flatMap((each) => (isCertmillError(each) ? [] : [each]));
    await this.#issuanceTime.pin(latest(stored));
    for (const [i, { resolve, reject }] of group.entries()) {
      const each = inForce[i];
      if (each === undefined || isCertmillError(each)) reject(each);
      else resolve(each);
    }
  }

  async #inForce(
    tenant: TenantId,
    batchId: BatchId,
    outcome: Outcome,
  ): Promise<ChunkRegistration | CertmillError> {
    if ('refusal' in outcome) return outcome.refusal;
    if ('chunk' in outcome) return registrationOf(outcome.ref, outcome.chunk);
    const held = await this.#buckets.chunkAt(tenant, batchId, outcome.heldAt);
    if (held === undefined) {
      return new CertmillError('FAULT_STORE_CORRUPT', `batch ${batchId} has a gap`);
    }
    return registrationOf({ tenant, batchId, chunkNumber: held.chunkNumber }, held.chunk);
  }

  /** Where the chunks in the buckets before this one end. */
  async #tailBefore(tenant: TenantId, batchId: BatchId, bucket: number): Promise<Tail> {
    if (bucket === 0) return { chunks: 0, end: 0 };
    const editor = this.#buckets.editor(tenant, batchId, bucket - 1);
    // A full bucket takes nothing more, so what is known of its end is in force.
    const { known } = editor;
    if (known?.registered === chunksPerBucket) return tailOf(known, bucket - 1);
    const read = await editor.read();
    if (read?.registered === chunksPerBucket) return tailOf(read, bucket - 1);
    const last = await this.#buckets.last(tenant, batchId);
    return last === undefined ? { chunks: 0, end: 0 } : tailOf(last, bucketNumberOf(last._id));
  }
}

function latest(registrations: readonly ChunkRegistration[]): number {
  return Math.max(0, ...registrations.map(({ receivedAtMs }) => receivedAtMs));
}

function tailOf(bucket: BucketDocument, number: number): Tail {
  const digest = bucket.chunks[slotName(bucket.registered - 1)]?.digest;
  return {
    chunks: number * chunksPerBucket + bucket.registered,
    end: bucket.end,
    ...(digest === undefined ? {} : { digest }),
    ...(bucket.total === undefined ? {} : { total: bucket.total }),
    ...(bucket.closed === undefined ? {} : { closed: bucket.closed }),
  };
}

/** What becomes of registrations of one bucket that wait together, in their order. */
function judge(
  known: BucketDocument | undefined,
  isFresh: boolean,
  before: Tail,
  bucket: number,
  registrations: readonly ChunkRegistration[],
): Judged<readonly Outcome[]> | 'read-first' {
  // Where the bucket is not there, its chunks go on behind those before it.
  let tail = known === undefined ? before : withDigest(tailOf(known, bucket), before);
  const added = new Map<number, ChunkDocument>();
  const outcomes = registrations.map((registration): Outcome => {
    const { tenant, batchId, chunkNumber } = registration;
    const ref = { tenant, batchId, chunkNumber };
    const stored = chunkIn(known, chunkNumber) ?? added.get(slotOf(chunkNumber));
    if (stored !== undefined) return { chunk: stored, ref };
    const { firstIndex, count } = registration;
    if (firstIndex < tail.end) return { heldAt: Math.min(firstIndex + count, tail.end) - 1 };
    const refusal = refusalOf(registration, tail);
    if (refusal !== undefined) return { refusal };
    const chunk = chunkOf(registration);
    added.set(slotOf(chunkNumber), chunk);
    tail = { ...tail, chunks: chunkNumber + 1, end: firstIndex + count, digest: chunk.digest };
    return { chunk, ref };
  });
  if (!isFresh && outcomes.some((outcome) => 'refusal' in outcome)) return 'read-first';
  if (added.size === 0) return { answer: outcomes };
  if (known !== undefined) {
    const edit = { chunks: added, registered: known.registered + added.size, end: tail.end };
    return { edit: { ...edit, whileOpen: true }, answer: outcomes };
  }
  const [{ tenant, batchId }] = registrations as [ChunkRegistration];
  const insert = {
    _id: bucketKey(tenant, batchId, bucket),
    registered: added.size,
    firstIndex: before.end,
    end: tail.end,
    ...(before.total === undefined ? {} : { total: before.total }),
    sums: noSums,
    chunks: Object.fromEntries([...added].map(([slot, chunk]) => [slotName(slot), chunk])),
  };
  return { insert, answer: outcomes };
}

function withDigest(tail: Tail, before: Tail): Tail {
  return tail.digest === undefined && before.digest !== undefined
    ? { ...tail, digest: before.digest }
    : tail;
}

/** A new chunk goes on where the one before it ends, in a batch that is neither whole nor closed. */
function refusalOf(registration: ChunkRegistration, tail: Tail): CertmillError | undefined {
  const { batchId, chunkNumber, firstIndex, count, previousDigest } = registration;
  if (tail.closed !== undefined) return closedFault(tail.closed, batchId);
  if (tail.total !== undefined && firstIndex + count > tail.total) {
    return new CertmillError(
      'CONFLICT',
      `the batch was uploaded with ${String(tail.total)} requests already`,
    );
  }
  const isOther =
    previousDigest !== undefined &&
    tail.digest !== undefined &&
    Buffer.compare(previousDigest, tail.digest) !== 0;
  if (isOther && chunkNumber === tail.chunks) {
    return new CertmillError('CONFLICT', 'other requests are stored before these');
  }
  if (chunkNumber !== tail.chunks || firstIndex !== tail.end) {
    return new CertmillError(
      'CONFLICT',
      `index ${String(firstIndex)} does not follow what is stored of the batch`,
    );
  }
  return undefined;
}

function chunkOf(registration: ChunkRegistration): ChunkDocument {
  const { firstIndex, count, digest, receivedAtMs, signBeforeMs, serialKeyId } = registration;
  return {
    firstIndex,
    count,
    // A copy: the caller's bytes are the caller's.
    digest: new Uint8Array(digest),
    receivedAtMs,
    signBeforeMs,
    serialKeyId,
    version: 0,
    confirmed: false,
  };
}
