import type { BatchId, ChunkRef, TenantId } from '@certmill/domain';
import type { ChunkRegistration, DeadLetter, DeadLetterCause } from '@certmill/ports';
import type { Stored } from '../connection/documents.js';

/** Chunks of one bucket. Part of the format: it never changes. */
export const chunksPerBucket = 64;

/** Why a batch takes nothing more. */
export type Closing = 'cancelled' | 'broken-off';

/** What the chunks of a bucket add up to; changed with the chunk, in the same update. */
export interface Sums {
  /** Chunks that are in the log. */
  readonly confirmed: number;
  /** Chunks that have ended. */
  readonly ended: number;
  /** Chunks that are dead letters, retried or not. */
  readonly letters: number;
  /** How often a dead letter was retried: each time the batch is open again. */
  readonly reopenings: number;
  /** Requests, as in Counters. */
  readonly accepted: number;
  readonly issued: number;
  readonly rejected: number;
  readonly cancelled: number;
  readonly deadLettered: number;
}

export const noSums: Sums = {
  confirmed: 0,
  ended: 0,
  letters: 0,
  reopenings: 0,
  accepted: 0,
  issued: 0,
  rejected: 0,
  cancelled: 0,
  deadLettered: 0,
};

export function addSums(left: Sums, right: Partial<Sums>): Sums {
  const sums: Record<string, number> = { ...left };
  for (const [name, value] of Object.entries(right)) sums[name] = (sums[name] ?? 0) + value;
  return sums as unknown as Sums;
}

/** What a chunk's requests ended as. */
export type Ends = Pick<Sums, 'issued' | 'rejected' | 'cancelled'>;

export type LetterDocument = DeadLetterCause & Pick<DeadLetter, 'atMs' | 'retriedAtMs'>;

/** A registered chunk and what became of it. */
export interface ChunkDocument extends Omit<
  ChunkRegistration,
  'tenant' | 'batchId' | 'chunkNumber' | 'previousDigest'
> {
  /** One more with each change: changes name the one that they were made from. */
  readonly version: number;
  readonly confirmed: boolean;
  readonly ends?: Ends;
  /** Kept when the chunk has ended, and then of no meaning. */
  readonly letter?: LetterDocument;
}

/** `_id`: `<tenant>/<batch>/<bucket>`, the number with leading zeros so that it sorts. */
export interface BucketDocument extends Stored {
  /** Chunks: those registered are numbered without gaps from the bucket's first. */
  readonly registered: number;
  /** The index of the bucket's first request, and the one after the last that is registered. */
  readonly firstIndex: number;
  readonly end: number;
  /** Of the batch, once its upload ended here. */
  readonly total?: number;
  /** Nothing is registered or confirmed any more. */
  readonly closed?: Closing;
  readonly sums: Sums;
  /** By `slotName`. */
  readonly chunks: Readonly<Record<string, ChunkDocument>>;
}

/** Without the chunks: some 200 octets. */
export type BucketSummary = Omit<BucketDocument, 'chunks'>;
export const summaryFields = ['registered', 'firstIndex', 'end', 'total', 'closed', 'sums'];

const numberDigits = 6;

/** The prefix of a batch's buckets. */
export function bucketsOf(tenant: TenantId, batchId: BatchId): string {
  return `${tenant}/${batchId}/`;
}

export function bucketKey(tenant: TenantId, batchId: BatchId, bucket: number): string {
  return bucketsOf(tenant, batchId) + String(bucket).padStart(numberDigits, '0');
}

export function bucketNumberOf(key: string): number {
  return Number(key.slice(-numberDigits));
}

export function bucketOfChunk(chunkNumber: number): number {
  return Math.floor(chunkNumber / chunksPerBucket);
}

export function slotOf(chunkNumber: number): number {
  return chunkNumber % chunksPerBucket;
}

/** Not a bare number: that could be taken for a place in an array. */
export function slotName(slot: number): string {
  return `c${String(slot)}`;
}

export function chunkIn(bucket: BucketDocument | undefined, chunkNumber: number) {
  return bucket?.chunks[slotName(slotOf(chunkNumber))];
}

/** The registered chunks of a bucket with their numbers, in order. */
export function* chunksOf(
  bucket: Pick<BucketDocument, '_id' | 'chunks' | 'registered'>,
): Generator<{ readonly chunkNumber: number; readonly chunk: ChunkDocument }> {
  const first = bucketNumberOf(bucket._id) * chunksPerBucket;
  for (let slot = 0; slot < bucket.registered; slot += 1) {
    const chunk = bucket.chunks[slotName(slot)];
    if (chunk !== undefined) yield { chunkNumber: first + slot, chunk };
  }
}

export function registrationOf(
  { tenant, batchId, chunkNumber }: ChunkRef,
  chunk: ChunkDocument,
): ChunkRegistration {
  return {
    tenant,
    batchId,
    chunkNumber,
    firstIndex: chunk.firstIndex,
    count: chunk.count,
    digest: new Uint8Array(chunk.digest),
    receivedAtMs: chunk.receivedAtMs,
    signBeforeMs: chunk.signBeforeMs,
    serialKeyId: chunk.serialKeyId,
  };
}

/** The dead letter of a chunk that has not ended. */
export function deadLetterOf(
  { tenant, batchId, chunkNumber }: ChunkRef,
  { firstIndex, count, letter, ends }: ChunkDocument,
): DeadLetter | undefined {
  if (letter === undefined || ends !== undefined) return undefined;
  const { code, detail, stage, topic, place, atMs, retriedAtMs } = letter;
  const ref = { tenant, batchId, chunkNumber };
  const retried = retriedAtMs === undefined ? {} : { retriedAtMs };
  return { chunk: ref, firstIndex, count, code, detail, stage, topic, place, atMs, ...retried };
}
