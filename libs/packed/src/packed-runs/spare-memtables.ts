import { Memtable } from './memtable.js';

/**
 * Empty memtables for the maps of one thread. A map needs a second one only while the first is
 * written, and of many maps few are written at the same moment.
 */
export class SpareMemtables {
  readonly #byCapacity = new Map<number, Memtable[]>();

  /** One that is empty, of just this capacity; made where there is none. */
  take(capacity: number): Memtable {
    return this.#byCapacity.get(capacity)?.pop() ?? new Memtable(capacity);
  }

  /** The table is emptied, and the caller's no longer. */
  giveBack(table: Memtable): void {
    table.clear();
    const spares = this.#byCapacity.get(table.capacity);
    if (spares === undefined) this.#byCapacity.set(table.capacity, [table]);
    else spares.push(table);
  }
}
