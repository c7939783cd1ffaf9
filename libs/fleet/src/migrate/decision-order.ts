import type { ChunkPlace, ReadDecision, StoreReadOut } from '@certmill/adapter-embedded';
import { CertmillError } from '@certmill/domain';

/** What is needed of a store that is read out. */
export type DecisionReader = Pick<StoreReadOut, 'decided' | 'decision'>;

const placesAtOnce = 1_000;

/** A chunk that waits for those before it. */
interface Waiting {
  readonly place: ChunkPlace;
  readonly before: readonly ChunkPlace[];
  at: number;
}

/**
 * All decisions of a store, those of each device and each key in the order in which they were made:
 * that is what claims, bindings and "newest first" hang on. The store keeps no order of all decisions,
 * but each chunk knows the one before it by device and key. The same store gives the same order.
 * Faults: FAULT_STORE_CORRUPT where there is no such order.
 */
export async function* inOrderOfDecision(store: DecisionReader): AsyncGenerator<ReadDecision> {
  const done = new Set<string>();
  for await (const place of decidedPlaces(store)) {
    if (!done.has(keyOf(place))) yield* withThoseBefore(store, place, done);
  }
}

async function* withThoseBefore(
  store: DecisionReader,
  first: ChunkPlace,
  done: Set<string>,
): AsyncGenerator<ReadDecision> {
  const stack: Waiting[] = [];
  const onStack = new Set<string>();
  let read: ReadDecision | undefined;
  const push = async (place: ChunkPlace): Promise<void> => {
    if (onStack.has(keyOf(place))) {
      throw new CertmillError(
        'FAULT_STORE_CORRUPT',
        'the index of the store names decisions that were each made before the other',
      );
    }
    onStack.add(keyOf(place));
    read = await required(store, place);
    stack.push({ place, before: read.before, at: 0 });
  };
  await push(first);
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const earlier = top.before[top.at];
    if (earlier !== undefined) {
      top.at += 1;
      if (!done.has(keyOf(earlier))) await push(earlier);
      continue;
    }
    // Verdicts of those that waited are not kept: a chain may be long.
    yield read ?? (await required(store, top.place));
    read = undefined;
    done.add(keyOf(top.place));
    onStack.delete(keyOf(top.place));
    stack.pop();
  }
}

async function* decidedPlaces(store: DecisionReader): AsyncGenerator<ChunkPlace> {
  let after: ChunkPlace | undefined = { batchSeq: 0, chunkNumber: -1 };
  while (after !== undefined) {
    const places: readonly ChunkPlace[] = await store.decided(after, placesAtOnce);
    yield* places;
    after = places.at(-1);
  }
}

async function required(store: DecisionReader, place: ChunkPlace): Promise<ReadDecision> {
  const decision = await store.decision(place);
  if (decision !== undefined) return decision;
  throw new CertmillError('FAULT_STORE_CORRUPT', 'a chunk was decided, and its verdict is missing');
}

function keyOf({ batchSeq, chunkNumber }: ChunkPlace): string {
  return `${String(batchSeq)}.${String(chunkNumber)}`;
}
