/**
 * An entry is six 32-bit words: four of key, two of value (high, low). Words are kept as signed
 * integers because V8 holds those without a heap object; keys are ordered by them, word by word,
 * which is as good an order of hashes as any.
 */
export const wordsPerEntry = 6;
export const keyBytes = 16;

/** An unsigned 64-bit value in two halves; all zero means "released" in a PackedMap. */
export interface PackedValue {
  high: number;
  low: number;
}

/** Word `word` (0 to 3) of the key at octet `offset`; keys need no alignment. */
export function keyWord(keys: Uint8Array, offset: number, word: number): number {
  const at = offset + word * 4;
  return (
    (keys[at] as number) |
    ((keys[at + 1] as number) << 8) |
    ((keys[at + 2] as number) << 16) |
    ((keys[at + 3] as number) << 24)
  );
}

/** Negative, 0 or positive as the key at word `a` of `left` comes before, is, or comes after. */
export function compareKeys(left: Int32Array, a: number, right: Int32Array, b: number): number {
  for (let word = 0; word < 4; word += 1) {
    const l = left[a + word] as number;
    const r = right[b + word] as number;
    if (l !== r) return l < r ? -1 : 1;
  }
  return 0;
}

/** The word at which a memtable's entry (numbered from 1) begins. */
export function entryAt(entry: number): number {
  return (entry - 1) * wordsPerEntry;
}

/** Copies the value of the entry at word `at`; false where it is all zero. */
export function takeValue(words: Int32Array, at: number, into: PackedValue): boolean {
  into.high = (words[at + 4] as number) >>> 0;
  into.low = (words[at + 5] as number) >>> 0;
  return into.high !== 0 || into.low !== 0;
}
