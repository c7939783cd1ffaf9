export interface RestingBounds {
  readonly maxRecords: number;
  readonly maxBytes: number;
}

/**
 * Records that were tried in vain and are still to be handled, by partition. Above the bounds the partitions
 * that have any are held: nothing more of them is taken.
 */
export class RestingRecords {
  readonly #bounds: RestingBounds;
  readonly #counts = new Map<number, number>();
  #records = 0;
  #bytes = 0;

  constructor(bounds: RestingBounds) {
    this.#bounds = bounds;
  }

  add(partition: number, bytes: number): void {
    this.#counts.set(partition, (this.#counts.get(partition) ?? 0) + 1);
    this.#records++;
    this.#bytes += bytes;
  }

  remove(partition: number, bytes: number): void {
    const count = (this.#counts.get(partition) ?? 0) - 1;
    if (count > 0) this.#counts.set(partition, count);
    else this.#counts.delete(partition);
    this.#records--;
    this.#bytes -= bytes;
  }

  get held(): ReadonlySet<number> {
    const { maxRecords, maxBytes } = this.#bounds;
    const isFull = this.#records >= maxRecords || this.#bytes >= maxBytes;
    return new Set(isFull ? this.#counts.keys() : []);
  }
}
