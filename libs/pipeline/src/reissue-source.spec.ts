import { reissueSourceOf, textOfReissueSource } from './reissue-source.js';

const first = { batchId: 'aa'.repeat(13), index: 4_294_967_295 };
const later = { batchId: 'bb'.repeat(13), index: 0 };

describe('the source of a reissued request', () => {
  test.each([
    ['is the same', first, `${first.batchId} 4294967295`],
    ['is another', later, `${first.batchId} 4294967295 ${later.batchId} 0`],
  ])(
    'says what was asked for first, and whose claim it takes over where that %s',
    (_, holder, text) => {
      const source = { first, holder };
      expect(textOfReissueSource(source)).toBe(text);
      expect(reissueSourceOf(text)).toEqual(source);
    },
  );

  test.each(['', 'line 17 of a file', 'aa', 'aa 1 bb', 'aa -1', 'aa 1 bb 1 '])(
    'is not %j',
    (text) => {
      expect(() => reissueSourceOf(text)).toThrow('does not say what it takes over');
    },
  );
});
