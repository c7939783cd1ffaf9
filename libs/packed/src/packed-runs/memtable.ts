import { CertmillError } from '@certmill/domain';
import { wordsPerEntry } from './entry.js';

/**
 * The newest entries, in memory: a log of entries and a hash table that leads from a key to its
 * newest entry, each entry to the one put before it under the same key. Because the log only grows
 * at its end, undoing a transaction is cutting it back. Memory is allocated once and bounded.
 *
 * The entries lie in shared memory so that another thread can sort and write them while this one
 * still reads; nobody writes to them meanwhile.
 */
export class Memtable {
  /** The log, `wordsPerEntry` words each, oldest first. */
  readonly entries: Int32Array<SharedArrayBuffer>;
  readonly capacity: number;
  #count = 0;
  /** Entries are numbered from 1; 0 is none. */
  readonly #previous: Int32Array;
  readonly #newest: Int32Array;
  readonly #mask: number;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.entries = new Int32Array(
      new SharedArrayBuffer(capacity * wordsPerEntry * Int32Array.BYTES_PER_ELEMENT),
    );
    this.#previous = new Int32Array(capacity + 1);
    // At most half full, so that a question for an absent key ends after one or two places.
    const places = 2 ** Math.ceil(Math.log2(capacity * 2));
    this.#newest = new Int32Array(places);
    this.#mask = places - 1;
  }

  get count(): number {
    return this.#count;
  }

  /** Faults: FAULT_OVERLOADED where the table is full; nothing was put. */
  put(w0: number, w1: number, w2: number, w3: number, high: number, low: number): void {
    if (this.#count === this.capacity) {
      throw new CertmillError('FAULT_OVERLOADED', 'packed entries wait for the disk to catch up');
    }
    const place = this.#placeOf(w0, w1, w2, w3);
    const at = this.#count * wordsPerEntry;
    const { entries } = this;
    entries[at] = w0;
    entries[at + 1] = w1;
    entries[at + 2] = w2;
    entries[at + 3] = w3;
    entries[at + 4] = high;
    entries[at + 5] = low;
    this.#count += 1;
    this.#previous[this.#count] = this.#newest[place] as number;
    this.#newest[place] = this.#count;
  }

  /** The number of the newest entry of a key, 0 where there is none. */
  newestOf(w0: number, w1: number, w2: number, w3: number): number {
    return this.#newest[this.#placeOf(w0, w1, w2, w3)] as number;
  }

  /** The number of the entry put under the same key before `entry`, 0 where there is none. */
  before(entry: number): number {
    return this.#previous[entry] as number;
  }

  /** Forgets the newest entries until `count` are left. */
  cutBackTo(count: number): void {
    const { entries } = this;
    // From the newest on: a place that an entry took first is free again once it goes, and the
    // entries that probed past it came later and are gone already.
    while (this.#count > count) {
      const at = (this.#count - 1) * wordsPerEntry;
      const place = this.#placeOf(
        entries[at] as number,
        entries[at + 1] as number,
        entries[at + 2] as number,
        entries[at + 3] as number,
      );
      this.#newest[place] = this.#previous[this.#count] as number;
      this.#count -= 1;
    }
  }

  clear(): void {
    this.#newest.fill(0);
    this.#count = 0;
  }

  /** Where the key is, or where it would go. */
  #placeOf(w0: number, w1: number, w2: number, w3: number): number {
    const { entries } = this;
    let place = w1 & this.#mask;
    for (;;) {
      const entry = this.#newest[place] as number;
      if (entry === 0) return place;
      const at = (entry - 1) * wordsPerEntry;
      if (
        entries[at] === w0 &&
        entries[at + 1] === w1 &&
        entries[at + 2] === w2 &&
        entries[at + 3] === w3
      ) {
        return place;
      }
      place = (place + 1) & this.#mask;
    }
  }
}
