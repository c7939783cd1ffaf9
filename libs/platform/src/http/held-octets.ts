/**
 * Octets that are kept in memory for readers who may be slow. What several are sent counts once, so it is
 * one array for all of them.
 */
export class HeldOctets {
  readonly #maxBytes: number;
  readonly #readers = new Map<Uint8Array, number>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Held until disposed; undefined where there is no room. One array has room, however large it is. */
  hold(octets: Uint8Array): Disposable | undefined {
    const readers = this.#readers.get(octets) ?? 0;
    if (readers === 0) {
      if (this.#readers.size > 0 && this.#bytes + octets.length > this.#maxBytes) return undefined;
      this.#bytes += octets.length;
    }
    this.#readers.set(octets, readers + 1);
    return { [Symbol.dispose]: () => this.#release(octets) };
  }

  #release(octets: Uint8Array): void {
    const left = (this.#readers.get(octets) ?? 0) - 1;
    if (left > 0) {
      this.#readers.set(octets, left);
    } else if (this.#readers.delete(octets)) {
      this.#bytes -= octets.length;
    }
  }
}
