import { bucketOf, IdIndex, shapeFor } from './id-index.js';
import { releaseMemory } from '../packed-runs/release-memory.js';
import type { HalfSipHash } from './half-sip-hash.js';

/** Also what is done between two pauses. */
const keysPerPart = 16_384;

const bytesPerTouch = 2 * 1024 * 1024;

interface Part {
  readonly highs: Uint32Array<ArrayBuffer>;
  readonly fingerprints: Uint16Array<ArrayBuffer>;
  readonly locations: Uint32Array<ArrayBuffer>;
}

/** Collects keys in parts of fixed size (10 octets a key: nothing is copied to grow). */
export class IdIndexBuilder {
  readonly #parts: Part[] = [];
  #keys = 0;

  add(hash: HalfSipHash, location: number): void {
    const at = this.#keys % keysPerPart;
    if (at === 0) {
      this.#parts.push({
        highs: new Uint32Array(keysPerPart),
        fingerprints: new Uint16Array(keysPerPart),
        locations: new Uint32Array(keysPerPart),
      });
    }
    const part = this.#parts.at(-1) as Part;
    part.highs[at] = hash.high;
    part.fingerprints[at] = hash.low & 0xffff;
    part.locations[at] = location;
    this.#keys += 1;
  }

  get keys(): number {
    return this.#keys;
  }

  /**
   * Distributes the keys over their buckets, in the order they came, and lets go of the parts.
   * @param pause Called often enough that no turn takes longer than some milliseconds.
   */
  async finish(pause: () => Promise<void>): Promise<IdIndex> {
    const shape = shapeFor(this.#keys);
    const index = new IdIndex(shape);
    const { starts, bucketBits, bytes } = index;
    // The first touch of new memory costs the kernel far more than the write: keys go to random
    // places and would touch all of it in the first turn, some 80 ms for 5 M keys.
    for (let at = 0; at < bytes.length; at += bytesPerTouch) {
      bytes.fill(0, at, at + bytesPerTouch);
      await pause();
    }
    for (const [i, part] of this.#parts.entries()) {
      const keys = this.#keysIn(i);
      for (let key = 0; key < keys; key += 1) {
        starts[bucketOf(part.highs[key] as number, bucketBits) + 1] =
          (starts[bucketOf(part.highs[key] as number, bucketBits) + 1] as number) + 1;
      }
      await pause();
    }
    for (let bucket = 1; bucket < starts.length; bucket += 1) {
      starts[bucket] = (starts[bucket] as number) + (starts[bucket - 1] as number);
    }
    await pause();
    // Filling moves each start to its end, which is the next one's start: one place up, they are
    // the starts again.
    for (let i = 0; i < this.#parts.length; i += 1) {
      const part = this.#parts[i] as Part;
      const keys = this.#keysIn(i);
      for (let key = 0; key < keys; key += 1) {
        const bucket = bucketOf(part.highs[key] as number, bucketBits);
        const at = starts[bucket] as number;
        starts[bucket] = at + 1;
        index.locations[at] = part.locations[key] as number;
        index.fingerprints[at] = part.fingerprints[key] as number;
      }
      for (const column of [part.highs, part.fingerprints, part.locations]) releaseMemory(column);
      await pause();
    }
    starts.copyWithin(1, 0, starts.length - 1);
    starts[0] = 0;
    this.#parts.length = 0;
    return index;
  }

  #keysIn(part: number): number {
    return Math.min(keysPerPart, this.#keys - part * keysPerPart);
  }
}
