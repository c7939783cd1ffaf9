import { entryAt, keyWord, takeValue, type PackedValue } from './entry.js';
import { SortedRuns, type PackedRunsOptions } from './sorted-runs.js';

/** Key (16 octets, a keyed hash) -> several 64-bit values, all kept, the newest first. */
export class PackedMultiMap extends SortedRuns {
  readonly #key = new Int32Array(4);

  constructor(options: PackedRunsOptions) {
    super('multi-map', options);
  }

  /** Adds a value to the key at octet `offset` of `keys`. Faults and durability as in PackedMap. */
  put(keys: Uint8Array, offset: number, high: number, low: number): void {
    this.putEntry(keys, offset, high, low);
  }

  /**
   * The newest `limit` values of a key, newest first.
   * Faults: FAULT_STORE_CORRUPT, FAULT_STORE_DOWN.
   */
  lookUp(keys: Uint8Array, offset: number, limit: number): PackedValue[] {
    const key = this.#key;
    for (let word = 0; word < 4; word += 1) key[word] = keyWord(keys, offset, word);
    const values: PackedValue[] = [];
    const add = (words: Int32Array, at: number): void => {
      const value = { high: 0, low: 0 };
      takeValue(words, at, value);
      values.push(value);
    };
    for (const table of this.memtables) {
      let entry =
        table?.newestOf(key[0] as number, key[1] as number, key[2] as number, key[3] as number) ??
        0;
      for (
        ;
        table !== undefined && entry > 0 && values.length < limit;
        entry = table.before(entry)
      ) {
        add(table.entries, entryAt(entry));
      }
    }
    for (const run of this.openRuns.toReversed()) {
      if (values.length >= limit) break;
      let position = run.find(
        key[0] as number,
        key[1] as number,
        key[2] as number,
        key[3] as number,
      );
      for (; position >= 0 && values.length < limit; position += 1) {
        if (!run.hasKeyAt(position, key, 0)) break;
        add(this.pageWords, run.wordsAt(position));
      }
    }
    return values;
  }
}
