interface Waiter {
  readonly bytes: number;
  readonly admit: () => void;
}

/** A bound on octets in hand. Whoever finds no room waits, first come, first served. */
export class ByteBudget {
  readonly #max: number;
  #used = 0;
  readonly #waiting: Waiter[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  get used(): number {
    return this.#used;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Takes the octets now where there is room; one that is alone always has it. */
  tryTake(bytes: number): boolean {
    if (this.#waiting.length > 0 || !this.#fits(bytes)) return false;
    this.#used += bytes;
    return true;
  }

  /** Calls `admit` once the octets are taken; the answer takes the wish back before. */
  takeLater(bytes: number, admit: () => void): () => void {
    const waiter = { bytes, admit };
    this.#waiting.push(waiter);
    return () => {
      const at = this.#waiting.indexOf(waiter);
      if (at < 0) return;
      this.#waiting.splice(at, 1);
      this.#admit();
    };
  }

  give(bytes: number): void {
    this.#used -= bytes;
    this.#admit();
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#max;
  }

  #admit(): void {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined || !this.#fits(first.bytes)) return;
      this.#waiting.shift();
      this.#used += first.bytes;
      first.admit();
    }
  }
}
