import { compareKeys, wordsPerEntry } from './entry.js';
import { releaseMemory } from './release-memory.js';

const digits = 0x1_0000;

/**
 * The order of the first `count` entries by key, of equal keys the newest (last put) first: a radix
 * sort by the first key word, then what is equal there by comparison. With hashes as keys, those
 * groups have one or two members.
 */
export function sortedOrder(entries: Int32Array, count: number): Uint32Array<ArrayBuffer> {
  const firstWords = new Int32Array(count);
  let order = new Uint32Array(count);
  for (let i = 0; i < count; i += 1) {
    // Newest first, which both passes keep because they are stable.
    const entry = count - 1 - i;
    order[i] = entry;
    firstWords[entry] = entries[entry * wordsPerEntry] as number;
  }
  order = sortByDigit(order, (entry) => (firstWords[entry] as number) & 0xffff);
  // The sign bit is turned over: negative words come first.
  order = sortByDigit(order, (entry) => ((firstWords[entry] as number) >>> 16) ^ 0x8000);
  for (let start = 0; start < count;) {
    const word = firstWords[order[start] as number];
    let end = start + 1;
    while (end < count && firstWords[order[end] as number] === word) end += 1;
    if (end - start > 1) {
      order
        .subarray(start, end)
        .sort(
          (a, b) => compareKeys(entries, a * wordsPerEntry, entries, b * wordsPerEntry) || b - a,
        );
    }
    start = end;
  }
  releaseMemory(firstWords);
  return order;
}

/** Takes `order` over: it is gone afterwards. */
function sortByDigit(
  order: Uint32Array<ArrayBuffer>,
  digitOf: (entry: number) => number,
): Uint32Array<ArrayBuffer> {
  const starts = new Uint32Array(digits + 1);
  for (const entry of order)
    starts[digitOf(entry) + 1] = (starts[digitOf(entry) + 1] as number) + 1;
  for (let digit = 1; digit < digits; digit += 1)
    starts[digit] = (starts[digit] as number) + (starts[digit - 1] as number);
  const sorted = new Uint32Array(order.length);
  for (const entry of order) {
    const digit = digitOf(entry);
    sorted[starts[digit] as number] = entry;
    starts[digit] = (starts[digit] as number) + 1;
  }
  releaseMemory(starts);
  releaseMemory(order);
  return sorted;
}
