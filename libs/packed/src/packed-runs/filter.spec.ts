import { randomFillSync } from 'node:crypto';
import { addToFilter, filterWordsFor, passesFilter } from './filter.js';

const count = 50_000;

function randomKeys(): Int32Array {
  return randomFillSync(new Int32Array(count * 3));
}

function passing(filter: Int32Array, keys: Int32Array): number {
  let passed = 0;
  for (let at = 0; at < keys.length; at += 3) {
    if (passesFilter(filter, keys[at]!, keys[at + 1]!, keys[at + 2]!)) passed += 1;
  }
  return passed;
}

describe('the filter of a run', () => {
  const filter = new Int32Array(filterWordsFor(count, 10));
  const added = randomKeys();
  for (let at = 0; at < added.length; at += 3) {
    addToFilter(filter, added[at]!, added[at + 1]!, added[at + 2]!);
  }

  it('passes every key that was added, also the lowest and the highest', () => {
    expect(passing(filter, added)).toBe(count);
    for (const word of [-0x8000_0000, 0x7fff_ffff]) {
      addToFilter(filter, word, word, word);
      expect(passesFilter(filter, word, word, word)).toBe(true);
    }
  });

  it('stops at least 98 of 100 absent keys', () => {
    expect(passing(filter, randomKeys())).toBeLessThan(count * 0.02);
  });

  it('passes everything where it has no bits', () => {
    expect(passing(new Int32Array(0), added)).toBe(count);
  });
});
