interface Lane<T> {
  readonly items: ({ readonly item: T; readonly bytes: number } | undefined)[];
  /** The first that is not taken: items are cut off in bulk, not one by one. */
  head: number;
  bytes: number;
}

/** A queue that takes from its partitions in turn: a long one holds up no short one. */
export class FairQueue<T> {
  readonly #lanes = new Map<number, Lane<T>>();
  #size = 0;
  #bytes = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(partition: number, item: T, bytes: number): void {
    let lane = this.#lanes.get(partition);
    if (lane === undefined) {
      lane = { items: [], head: 0, bytes: 0 };
      this.#lanes.set(partition, lane);
    }
    lane.items.push({ item, bytes });
    lane.bytes += bytes;
    this.#size++;
    this.#bytes += bytes;
  }

  /** What is queued of some partitions. */
  sizeOf(partitions: ReadonlySet<number>): { readonly size: number; readonly bytes: number } {
    let size = 0;
    let bytes = 0;
    for (const partition of partitions) {
      const lane = this.#lanes.get(partition);
      if (lane === undefined) continue;
      size += lane.items.length - lane.head;
      bytes += lane.bytes;
    }
    return { size, bytes };
  }

  /** The next of the partitions that are not held. */
  take(held: ReadonlySet<number>): T | undefined {
    for (const [partition, lane] of this.#lanes) {
      if (held.has(partition)) continue;
      // At the end of the Map: its turn comes after the others'.
      this.#lanes.delete(partition);
      const next = lane.items[lane.head];
      // What is taken keeps no memory here.
      lane.items[lane.head++] = undefined;
      if (next === undefined) continue;
      lane.bytes -= next.bytes;
      if (lane.head < lane.items.length) this.#lanes.set(partition, compact(lane));
      this.#size--;
      this.#bytes -= next.bytes;
      return next.item;
    }
    return undefined;
  }

  /** Drops what is queued of a partition. */
  drop(partition: number): void {
    const lane = this.#lanes.get(partition);
    if (lane === undefined) return;
    this.#lanes.delete(partition);
    for (const queued of lane.items.slice(lane.head)) {
      this.#size--;
      this.#bytes -= queued?.bytes ?? 0;
    }
  }
}

function compact<T>(lane: Lane<T>): Lane<T> {
  return lane.head < 64 ? lane : { ...lane, items: lane.items.slice(lane.head), head: 0 };
}
