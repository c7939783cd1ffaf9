import type { PendingChunks } from '@certmill/domain';

export interface PendingChunk {
  readonly batch: number;
  readonly chunkNumber: number;
}

/** With one more, which comes after them in the selection. */
export function withPending(
  pending: readonly PendingChunks[],
  { batch, chunkNumber }: PendingChunk,
): readonly PendingChunks[] {
  const last = pending.at(-1);
  if (last?.batch === batch && last.to + 1 === chunkNumber) {
    return [...pending.slice(0, -1), { ...last, to: chunkNumber }];
  }
  return [...pending, { batch, from: chunkNumber, to: chunkNumber }];
}

/** Without one of them. */
export function withoutPending(
  pending: readonly PendingChunks[],
  { batch, chunkNumber }: PendingChunk,
): readonly PendingChunks[] {
  return pending.flatMap((range) => {
    const isIn = range.batch === batch && range.from <= chunkNumber && chunkNumber <= range.to;
    if (!isIn) return [range];
    const parts = [
      { ...range, to: chunkNumber - 1 },
      { ...range, from: chunkNumber + 1 },
    ];
    return parts.filter(({ from, to }) => from <= to);
  });
}

export function* eachPending(pending: readonly PendingChunks[]): Generator<PendingChunk> {
  for (const { batch, from, to } of pending) {
    for (let chunkNumber = from; chunkNumber <= to; chunkNumber += 1) yield { batch, chunkNumber };
  }
}
