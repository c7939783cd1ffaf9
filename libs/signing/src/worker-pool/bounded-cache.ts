/** A map of at most `capacity` entries that forgets the one unused for longest. */
export class BoundedCache<V> {
  private readonly entries = new Map<string, V>();
  private readonly capacity: number;
  private readonly onForget: (value: V) => void;

  /** @param onForget hears of each entry that leaves. */
  constructor(capacity: number, onForget: (value: V) => void = () => undefined) {
    this.capacity = capacity;
    this.onForget = onForget;
  }

  get(key: string): V | undefined {
    const value = this.entries.get(key);
    if (value !== undefined) {
      this.entries.delete(key);
      this.entries.set(key, value);
    }
    return value;
  }

  set(key: string, value: V): void {
    this.delete(key);
    this.entries.set(key, value);
    if (this.entries.size <= this.capacity) return;
    for (const oldest of this.entries.keys()) {
      this.delete(oldest);
      break;
    }
  }

  delete(key: string): void {
    const value = this.entries.get(key);
    if (value === undefined) return;
    this.entries.delete(key);
    this.onForget(value);
  }

  /** Forgets all of them. */
  clear(): void {
    for (const key of [...this.entries.keys()]) this.delete(key);
  }
}
