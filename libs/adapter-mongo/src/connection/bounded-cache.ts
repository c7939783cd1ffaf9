/** A map of at most `capacity` entries that forgets the one unused for longest. */
export class BoundedCache<V> {
  readonly #entries = new Map<string, V>();
  readonly #capacity: number;
  readonly #mayForget: (value: V) => boolean;

  /** @param mayForget Entries that say no stay, also over the capacity. */
  constructor(capacity: number, mayForget: (value: V) => boolean = () => true) {
    this.#capacity = capacity;
    this.#mayForget = mayForget;
  }

  get(key: string): V | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, value);
    }
    return value;
  }

  set(key: string, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    for (const [oldest, entry] of this.#entries) {
      if (this.#entries.size <= this.#capacity) return;
      if (oldest !== key && this.#mayForget(entry)) this.#entries.delete(oldest);
    }
  }
}
