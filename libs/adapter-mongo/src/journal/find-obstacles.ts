import { chunkIdOf, type ChunkRef } from '@certmill/domain';
import type { Locator } from '@certmill/packed';
import type { ChunkEnd, RequestPlace } from './claim-journal.js';
import type { DecidedChunk, EntryHead } from './entry-codec.js';
import type { Judgement, ObstacleCodes } from './judge.js';
import { chunkAt, type RecentEntries } from './recent-entries.js';

/** Who holds what judgements ran into. */
export interface Obstacles extends ObstacleCodes {
  readonly placeOf: (holder: Locator) => RequestPlace;
}

/**
 * Finds out who holds what the judgements of an entry ran into, before it is written: the chunks that
 * the holders are of, and how those have ended: one read each, whatever their number. What is in the entry
 * itself (`seq`) is in flight.
 */
export async function findObstacles(
  judgements: readonly Judgement[],
  seq: number,
  entries: RecentEntries,
  endsOf: (chunks: readonly ChunkRef[]) => Promise<readonly (ChunkEnd | undefined)[]>,
): Promise<Obstacles> {
  const earlier = new Set<number>();
  const lookAt = (holder: Locator): void => {
    if (holder.seq !== seq) earlier.add(holder.seq);
  };
  const claimed: { readonly batchId: string; readonly holder: Locator }[] = [];
  for (const { candidate, refusals } of judgements) {
    const { batchId } = candidate.decision.chunk;
    for (const { why } of refusals) {
      if (typeof why === 'string' || why.kind === 'key-compromised') continue;
      if (why.kind === 'key-of-another-device') why.holders.forEach(lookAt);
      else {
        lookAt(why.holder);
        claimed.push({ batchId, holder: why.holder });
      }
    }
  }
  const heads = new Map(earlier.size > 0 ? await entries.heads(earlier) : []);
  heads.set(seq, headOf(judgements));
  const chunkOf = ({ seq: at, index }: Locator) => chunkAt(heads.get(at) as EntryHead, index).chunk;

  const asked = new Map<string, ChunkRef>();
  for (const { batchId, holder } of claimed) {
    const chunk = chunkOf(holder);
    if (holder.seq !== seq && chunk.batchId !== batchId) asked.set(chunkIdOf(chunk), chunk);
  }
  const answers = asked.size > 0 ? await endsOf([...asked.values()]) : [];
  const ends = new Map([...asked.keys()].map((id, i) => [id, answers[i]]));
  const placeOf = ({ seq: at, index }: Locator): RequestPlace => {
    const { chunk, firstIndex, start } = chunkAt(heads.get(at) as EntryHead, index);
    return { chunk, index: firstIndex + index - start };
  };

  const codeOf: Obstacles['codeOf'] = (batchId, obstacle) => {
    if (obstacle.kind === 'key-compromised') return 'KEY_COMPROMISED';
    if (obstacle.kind === 'key-of-another-device') {
      const isOfSameBatch = obstacle.holders.some((holder) => chunkOf(holder).batchId === batchId);
      return isOfSameBatch ? 'DUPLICATE_IN_BATCH' : 'KEY_IN_USE';
    }
    const chunk = chunkOf(obstacle.holder);
    if (chunk.batchId === batchId) return 'DUPLICATE_IN_BATCH';
    const hasEnded = ends.get(chunkIdOf(chunk)) !== undefined;
    return hasEnded ? 'DEVICE_ALREADY_ISSUED' : 'DEVICE_REQUEST_PENDING';
  };
  return {
    codeOf,
    placeOf,
    notAfterOf(obstacle) {
      if (obstacle.kind !== 'device-claimed') return undefined;
      const { chunk, index } = placeOf(obstacle.holder);
      const end = ends.get(chunkIdOf(chunk));
      // What was not issued is about to be given back, by whoever finishes its chunk.
      return end?.released.includes(index) === true ? undefined : end?.notAfterMs;
    },
  };
}

/** The head that an entry of these judgements will have, as far as holders need it. */
function headOf(judgements: readonly Judgement[]): EntryHead {
  const decided = judgements.map(({ candidate, start }): DecidedChunk => {
    const { chunk, orderId, profileName, firstIndex, codes } = candidate.decision;
    return { chunk, orderId, profileName, firstIndex, count: codes.length, start };
  });
  return { previous: new Uint8Array(), decided };
}
