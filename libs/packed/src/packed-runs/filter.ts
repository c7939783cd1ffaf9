/**
 * A Bloom filter in blocks of eight 32-bit words with one bit set per word and key: a question
 * touches one cache line. At 10 bits per entry about one absent key in 90 passes. The keys are
 * hashes already, so their own bits are used. A filter of no blocks passes every key.
 */
const wordsPerBlock = 8;
const bitsPerBlock = wordsPerBlock * 32;

/** Length in 32-bit words of a filter for `entries` keys. */
export function filterWordsFor(entries: number, bitsPerEntry: number): number {
  return Math.ceil((entries * bitsPerEntry) / bitsPerBlock) * wordsPerBlock;
}

/** The first word takes the block, so that building in key order walks memory forwards. */
function blockOf(filter: Int32Array, w0: number): number {
  const blocks = filter.length / wordsPerBlock;
  return Math.floor(((w0 + 0x8000_0000) / 0x1_0000_0000) * blocks) * wordsPerBlock;
}

export function addToFilter(filter: Int32Array, w0: number, w1: number, w2: number): void {
  if (filter.length === 0) return;
  const at = blockOf(filter, w0);
  filter[at] = (filter[at] as number) | (1 << w1);
  filter[at + 1] = (filter[at + 1] as number) | (1 << (w1 >>> 5));
  filter[at + 2] = (filter[at + 2] as number) | (1 << (w1 >>> 10));
  filter[at + 3] = (filter[at + 3] as number) | (1 << (w1 >>> 15));
  filter[at + 4] = (filter[at + 4] as number) | (1 << (w1 >>> 20));
  filter[at + 5] = (filter[at + 5] as number) | (1 << (w1 >>> 25));
  filter[at + 6] = (filter[at + 6] as number) | (1 << w2);
  filter[at + 7] = (filter[at + 7] as number) | (1 << (w2 >>> 5));
}

/** False only where the key was never added. */
export function passesFilter(filter: Int32Array, w0: number, w1: number, w2: number): boolean {
  if (filter.length === 0) return true;
  const at = blockOf(filter, w0);
  return (
    (((filter[at] as number) >>> (w1 & 31)) &
      ((filter[at + 1] as number) >>> ((w1 >>> 5) & 31)) &
      ((filter[at + 2] as number) >>> ((w1 >>> 10) & 31)) &
      ((filter[at + 3] as number) >>> ((w1 >>> 15) & 31)) &
      ((filter[at + 4] as number) >>> ((w1 >>> 20) & 31)) &
      ((filter[at + 5] as number) >>> ((w1 >>> 25) & 31)) &
      ((filter[at + 6] as number) >>> (w2 & 31)) &
      ((filter[at + 7] as number) >>> ((w2 >>> 5) & 31)) &
      1) !==
    0
  );
}
