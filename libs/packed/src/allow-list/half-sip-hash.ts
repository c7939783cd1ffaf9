/** The two 32-bit words of a salt. */
export type HashSalt = readonly [number, number];

/**
 * HalfSipHash-2-4 with 64 bits of output (Aumasson and Bernstein, "SipHash", 32-bit variant): a
 * keyed hash that takes only 32-bit operations, some 0.1 us for a device id. Whoever writes a list
 * cannot aim at its collisions, for the salt is chosen when it is packed.
 */
export class HalfSipHash {
  /** The result of the last `digest`, as signed words. */
  high = 0;
  low = 0;
  readonly #k0: number;
  readonly #k1: number;
  #v0 = 0;
  #v1 = 0;
  #v2 = 0;
  #v3 = 0;

  constructor(salt: HashSalt) {
    this.#k0 = salt[0];
    this.#k1 = salt[1];
  }

  /** Hashes octets `start` to `end` (exclusive) into `high` and `low`. */
  digest(bytes: Uint8Array, start: number, end: number): void {
    this.#v0 = this.#k0;
    this.#v1 = this.#k1 ^ 0xee;
    this.#v2 = 0x6c796765 ^ this.#k0;
    this.#v3 = 0x74656462 ^ this.#k1;
    let at = start;
    for (; at + 4 <= end; at += 4) {
      this.#absorb(
        (bytes[at] as number) |
          ((bytes[at + 1] as number) << 8) |
          ((bytes[at + 2] as number) << 16) |
          ((bytes[at + 3] as number) << 24),
      );
    }
    let tail = (end - start) << 24;
    for (let shift = 0; at < end; at += 1, shift += 8) tail |= (bytes[at] as number) << shift;
    this.#absorb(tail);
    this.#v2 ^= 0xee;
    this.#rounds(4);
    this.low = this.#v1 ^ this.#v3;
    this.#v1 ^= 0xdd;
    this.#rounds(4);
    this.high = this.#v1 ^ this.#v3;
  }

  #absorb(word: number): void {
    this.#v3 ^= word;
    this.#rounds(2);
    this.#v0 ^= word;
  }

  #rounds(count: number): void {
    let v0 = this.#v0;
    let v1 = this.#v1;
    let v2 = this.#v2;
    let v3 = this.#v3;
    for (let round = 0; round < count; round += 1) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    this.#v0 = v0;
    this.#v1 = v1;
    this.#v2 = v2;
    this.#v3 = v3;
  }
}
