import type { ChunkRef } from '@certmill/domain';
import type { DeadLetter, DeadLetterCause } from '@certmill/ports';
import {
  chunkIn,
  deadLetterOf,
  slotOf,
  type BucketDocument,
  type ChunkDocument,
  type Ends,
  type LetterDocument,
  type Sums,
} from './bucket-document.js';
import type { BucketChange, Judged } from './bucket-editor.js';
import { closedFault, neverRegistered } from './closing-faults.js';

/** The chunk is in the log. Answers with its pins. Faults: FAULT_PROCESSING, CONFLICT. */
export function confirming(ref: ChunkRef): BucketChange<ChunkDocument> {
  return {
    judge(bucket) {
      const chunk = required(bucket, ref);
      return chunk.confirmed ? { answer: chunk } : changed(bucket, ref, chunk, {}, {}, chunk);
    },
  };
}

/** The chunk's segment is stored; whether that was new. Faults as `confirming`. */
export function ending(ref: ChunkRef, ends: Ends): BucketChange<boolean> {
  return {
    judge(bucket) {
      const chunk = required(bucket, ref);
      if (chunk.ends !== undefined) return { answer: false };
      const { letter, count } = chunk;
      const isDead = letter !== undefined && letter.retriedAtMs === undefined;
      const sums = {
        ended: 1,
        ...ends,
        letters: letter === undefined ? 0 : -1,
        deadLettered: isDead ? -count : 0,
      };
      return changed(bucket, ref, chunk, { ends }, sums, true);
    },
  };
}

/**
 * The chunk is a dead letter, unless it is one, has ended, or is none of its batch. Faults:
 * FAULT_PROCESSING.
 */
export function marking(
  ref: ChunkRef,
  cause: DeadLetterCause,
  atMs: number,
): BucketChange<undefined> {
  return {
    judge(bucket, isFresh) {
      // It may have been retried since it was read.
      if (!isFresh) return 'read-first';
      const chunk = required(bucket, ref);
      const isTooLate = !chunk.confirmed && bucket?.closed !== undefined;
      const { letter, count } = chunk;
      const isDead = letter !== undefined && letter.retriedAtMs === undefined;
      if (chunk.ends !== undefined || isDead || isTooLate) return { answer: undefined };
      const { code, detail, stage, topic, place } = cause;
      const marked: LetterDocument = { code, detail, stage, topic, place, atMs };
      const sums = { letters: letter === undefined ? 1 : 0, deadLettered: count };
      return changed(bucket, ref, chunk, { letter: marked }, sums, undefined);
    },
  };
}

/** The chunk's requests are in flight again; undefined where it is no dead letter. */
export function retrying(ref: ChunkRef, atMs: number): BucketChange<DeadLetter | undefined> {
  return {
    judge(bucket, isFresh) {
      if (!isFresh) return 'read-first';
      const chunk = chunkIn(bucket, ref.chunkNumber);
      const letter = chunk?.letter;
      if (chunk === undefined || letter === undefined || chunk.ends !== undefined) {
        return { answer: undefined };
      }
      const retried = { ...letter, retriedAtMs: atMs };
      const sums =
        letter.retriedAtMs === undefined ? { deadLettered: -chunk.count, reopenings: 1 } : {};
      const answer = deadLetterOf(ref, { ...chunk, letter: retried });
      return changed(bucket, ref, chunk, { letter: retried }, sums, answer);
    },
  };
}

function required(bucket: BucketDocument | undefined, ref: ChunkRef): ChunkDocument {
  const chunk = chunkIn(bucket, ref.chunkNumber);
  if (chunk === undefined) throw neverRegistered(ref);
  return chunk;
}

/** Whatever is known of a chunk says too that it is in the log. */
function changed<T>(
  bucket: BucketDocument | undefined,
  ref: ChunkRef,
  chunk: ChunkDocument,
  changes: Pick<ChunkDocument, 'ends' | 'letter'>,
  sums: Partial<Sums>,
  answer: T,
): Judged<T> {
  const after = { ...chunk, ...changes, version: chunk.version + 1, confirmed: true };
  const chunks = new Map([[slotOf(ref.chunkNumber), after]]);
  if (chunk.confirmed) return { edit: { chunks, sums }, answer };
  if (bucket?.closed !== undefined) throw closedFault(bucket.closed, ref.batchId);
  const confirmed = { ...sums, confirmed: 1, accepted: chunk.count };
  return { edit: { chunks, sums: confirmed, whileOpen: true }, answer };
}
