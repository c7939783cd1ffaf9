import { reissueSourceOf, textOfReissueSource } from './reissue-source.js';

const first = { batchId: 'aa'.repeat(13), index: 4_294_967_295 };
const later = { batchId: 'bb'.repeat(13), index: 0 };

describe('the source of a reissued request', () => {
  test.each([
    ['was never reissued before', first, `${first.batchId} 4294967295`],
    ['was', later, `${first.batchId} 4294967295 ${later.batchId} 0`],
  ])('says what it stands for where that %s', (_, predecessor, text) => {
    const source = { first, predecessor };
    expect(textOfReissueSource(source)).toBe(text);
    expect(reissueSourceOf(text)).toEqual(source);
  });

  test.each(['', 'line 17 of a file', 'aa', 'aa 1 bb', 'aa -1', 'aa 1 bb 1 '])(
    'is not %j',
    (text) => {
      expect(() => reissueSourceOf(text)).toThrow('does not say what it stands for');
    },
  );
});
