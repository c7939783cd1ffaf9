interface Cached {
  readonly lag: Promise<number>;
  readonly validUntil: number;
}

/** Keeps each answer for a while: many may ask, and each question goes to several brokers. */
export class LagCache {
  readonly #ttlMs: number;
  readonly #nowMs: () => number;
  readonly #read: (topic: string, group: string) => Promise<number>;
  readonly #cached = new Map<string, Cached>();

  constructor(
    ttlMs: number,
    read: (topic: string, group: string) => Promise<number>,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#ttlMs = ttlMs;
    this.#read = read;
    this.#nowMs = nowMs;
  }

  lag(topic: string, group: string): Promise<number> {
    const name = `${topic}\n${group}`;
    const now = this.#nowMs();
    const known = this.#cached.get(name);
    if (known !== undefined && now < known.validUntil) return known.lag;
    const lag = this.#read(topic, group);
    this.#cached.set(name, { lag, validUntil: now + this.#ttlMs });
    lag.catch(() => this.#cached.delete(name));
    return lag;
  }
}
