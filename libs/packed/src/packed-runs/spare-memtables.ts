import { Memtable } from './memtable.js';

/** Kept of one capacity: after many flushes at once the rest goes. */
const maxSpares = 4;

/**
 * Empty memtables for the maps of one thread. A map needs a second one only while the first is
 * written, and of many maps few are written at the same moment.
 */
export class SpareMemtables {
  readonly #byCapacity = new Map<number, Memtable[]>();

  /** So many are there for `take`: what may fail for want of memory fails here. Throws RangeError. */
  ensure(capacity: number, count: number): void {
    const spares = this.#byCapacity.get(capacity) ?? [];
    this.#byCapacity.set(capacity, spares);
    while (spares.length < count) spares.push(new Memtable(capacity));
  }

  /** One that is empty, of just this capacity; made where there is none. */
  take(capacity: number): Memtable {
    return this.#byCapacity.get(capacity)?.pop() ?? new Memtable(capacity);
  }

  /** The table is the caller's no longer. */
  giveBack(table: Memtable): void {
    const spares = this.#byCapacity.get(table.capacity) ?? [];
    this.#byCapacity.set(table.capacity, spares);
    if (spares.length >= maxSpares) return;
    table.clear();
    spares.push(table);
  }
}
