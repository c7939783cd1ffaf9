import { reissueSourceOf, textOfReissueSource } from './reissue-source.js';

const first = { batchId: 'aa'.repeat(13), index: 4_294_967_295 };
const later = { batchId: 'bb'.repeat(13), index: 0 };

describe('the source of a reissued request', () => {
  const newest = { batchId: 'cc'.repeat(13), index: 7 };
  const text = (...places: readonly { batchId: string; index: number }[]) =>
    places.map(({ batchId, index }) => `${batchId} ${String(index)}`).join(' ');

  test.each([
    ['itself', first, first, text(first)],
    ['itself, where another has the claim', first, later, text(first, first, later)],
    ['a later one', later, later, text(first, later)],
    ['a later one, where another has the claim', later, newest, text(first, later, newest)],
  ])(
    'says what was asked for first, and that it stands for %s',
    (_, predecessor, holder, expected) => {
      const source = { first, predecessor, holder };
      expect(textOfReissueSource(source)).toBe(expected);
      expect(reissueSourceOf(expected)).toEqual(source);
    },
  );

  test.each(['', 'line 17 of a file', 'aa', 'aa 1 bb', 'aa -1', 'aa 1 bb 1 ', 'a 1 b 1 c 1 d 1'])(
    'is not %j',
    (text) => {
      expect(() => reissueSourceOf(text)).toThrow('does not say what it stands for');
    },
  );
});
