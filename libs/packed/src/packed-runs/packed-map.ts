import { entryAt, keyWord, takeValue, type PackedValue } from './entry.js';
import type { Run } from './run.js';
import { SortedRuns, type PackedRunsOptions } from './sorted-runs.js';

/** Key (16 octets, a keyed hash) -> 64-bit value; the newest value wins. */
export class PackedMap extends SortedRuns {
  constructor(options: PackedRunsOptions) {
    super('map', options);
  }

  /**
   * Sets the value of the key at octet `offset` of `keys`; all zero releases it. Durable when the
   * caller's transaction is. Faults: FAULT_OVERLOADED while the disk is behind; nothing was put.
   */
  put(keys: Uint8Array, offset: number, high: number, low: number): void {
    this.putEntry(keys, offset, high, low);
  }

  /**
   * Whether the key has a value, which is then in `into` (unsigned halves); else `into` is 0, 0.
   * Faults: FAULT_STORE_CORRUPT, FAULT_STORE_DOWN.
   */
  get(keys: Uint8Array, offset: number, into: PackedValue): boolean {
    const w0 = keyWord(keys, offset, 0);
    const w1 = keyWord(keys, offset, 1);
    const w2 = keyWord(keys, offset, 2);
    const w3 = keyWord(keys, offset, 3);
    for (const table of this.memtables) {
      const entry = table?.newestOf(w0, w1, w2, w3) ?? 0;
      if (table !== undefined && entry > 0) return takeValue(table.entries, entryAt(entry), into);
    }
    const runs = this.openRuns;
    for (let i = runs.length - 1; i >= 0; i -= 1) {
      const run: Run = runs[i] as Run;
      const position = run.find(w0, w1, w2, w3);
      if (position >= 0) return takeValue(this.pageWords, run.wordsAt(position), into);
    }
    into.high = 0;
    into.low = 0;
    return false;
  }
}
