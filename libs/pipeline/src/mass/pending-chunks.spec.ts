import type { PendingChunks } from '@certmill/domain';
import { eachPending, withoutPending, withPending, type PendingChunk } from './pending-chunks.js';

describe('chunks that are pending', () => {
  const chunks: readonly PendingChunk[] = [
    { batch: 0, chunkNumber: 3 },
    { batch: 0, chunkNumber: 4 },
    { batch: 0, chunkNumber: 5 },
    { batch: 0, chunkNumber: 7 },
    { batch: 1, chunkNumber: 8 },
  ];
  const all = chunks.reduce<readonly PendingChunks[]>(withPending, []);

  it('are kept as ranges, in their order', () => {
    expect(all).toEqual([
      { batch: 0, from: 3, to: 5 },
      { batch: 0, from: 7, to: 7 },
      { batch: 1, from: 8, to: 8 },
    ]);
    expect([...eachPending(all)]).toEqual(chunks);
  });

  it.each(chunks)('are the others without one: %j', (gone) => {
    const left = withoutPending(all, gone);
    expect([...eachPending(left)]).toEqual(chunks.filter((each) => each !== gone));
    expect(withoutPending(left, gone)).toEqual(left);
  });
});
