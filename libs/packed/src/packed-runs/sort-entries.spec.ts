import fc from 'fast-check';
import { compareKeys, wordsPerEntry } from './entry.js';
import { sortedOrder } from './sort-entries.js';

describe('sorting entries', () => {
  it('orders by key, of equal keys the last put first, as a comparison sort does', () => {
    const word = fc.oneof(
      fc.constantFrom(0, -1, 0x7fff_ffff, -0x8000_0000, 0x1_0000),
      fc.integer(),
    );
    const entry = fc.array(word, { minLength: wordsPerEntry, maxLength: wordsPerEntry });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 80 }), (rows) => {
        const entries = Int32Array.from(rows.flat());
        const expected = rows
          .map((_, i) => i)
          .sort(
            (a, b) => compareKeys(entries, a * wordsPerEntry, entries, b * wordsPerEntry) || b - a,
          );
        expect([...sortedOrder(entries, rows.length)]).toEqual(expected);
      }),
      { numRuns: 300, seed: 20260103 },
    );
  });
});
