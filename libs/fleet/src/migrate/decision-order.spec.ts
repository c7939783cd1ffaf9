import type { ChunkPlace } from '@certmill/adapter-embedded';
import { inOrderOfDecision, type DecisionReader } from './decision-order.js';

/** Chunks of one batch by number, each with the numbers of those right before it. */
function readerOf(before: readonly (readonly number[])[]): DecisionReader {
  const placeOf = (chunkNumber: number): ChunkPlace => ({ batchSeq: 1, chunkNumber });
  const places = before.map((_, i) => placeOf(i));
  return {
    decided: (after, limit) => {
      const from = after.batchSeq === 0 ? 0 : after.chunkNumber + 1;
      return Promise.resolve(places.slice(from, from + limit));
    },
    decision: ({ chunkNumber }) =>
      Promise.resolve({
        chunk: { tenant: 't', batchId: 'b', chunkNumber },
        before: (before[chunkNumber] ?? []).map(placeOf),
        orderId: 'o',
        profileName: 'p',
        firstIndex: chunkNumber,
        verdict: new Uint8Array(),
        renews: false,
        isGivenBack: false,
        released: [],
        blocked: [],
      }),
  };
}

async function orderOf(before: readonly (readonly number[])[]): Promise<readonly number[]> {
  const order: number[] = [];
  for await (const { chunk } of inOrderOfDecision(readerOf(before))) order.push(chunk.chunkNumber);
  return order;
}

test('decisions come as they are stored where nothing says otherwise', async () => {
  expect(await orderOf([[], [], []])).toEqual([0, 1, 2]);
});

test.each([
  ['a later chunk was decided first', [[2], [], []], [2, 0, 1]],
  ['one waits for several', [[2, 1], [], []], [2, 1, 0]],
  ['those before wait for others themselves', [[1], [2], []], [2, 1, 0]],
  ['two wait for the same', [[2], [2], []], [2, 0, 1]],
])('%s', async (_, before, wanted) => {
  expect(await orderOf(before)).toEqual(wanted);
});

test('a long chain takes no stack', async () => {
  const count = 20_000;
  const before = Array.from({ length: count }, (_, i) => (i + 1 < count ? [i + 1] : []));
  const order = await orderOf(before);
  expect(order).toHaveLength(count);
  expect(order.slice(0, 2)).toEqual([count - 1, count - 2]);
});

test('chunks that were each decided before the other are damage', async () => {
  await expect(orderOf([[1], [0]])).rejects.toMatchObject({ code: 'FAULT_STORE_CORRUPT' });
});
