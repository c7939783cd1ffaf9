import { releaseMemory } from '../packed-runs/release-memory.js';
import type { HalfSipHash } from './half-sip-hash.js';

/** Keys per bucket on average, at most; at least half of it. */
const keysPerBucket = 8;

/**
 * How an index lies in memory and on disk, in this order: where each bucket begins (32 bits), where
 * each key's row is (32 bits), 16 bits of each key's hash. 6.5 to 7 octets per key.
 */
export interface IndexShape {
  readonly keys: number;
  /** There are 2 ** bucketBits buckets. */
  readonly bucketBits: number;
}

export function shapeFor(keys: number): IndexShape {
  return { keys, bucketBits: Math.max(0, Math.ceil(Math.log2(keys / keysPerBucket))) };
}

/** Length in octets, a multiple of 4. */
export function indexBytes(shape: IndexShape): number {
  const words = 2 ** shape.bucketBits + 1 + shape.keys + Math.ceil(shape.keys / 2);
  return words * 4;
}

/** The hash's upper bits choose the bucket, 16 of the lower half tell keys in it apart. */
export function bucketOf(high: number, bucketBits: number): number {
  return bucketBits === 0 ? 0 : high >>> (32 - bucketBits);
}

/** From the hash of an id to where rows with that id may be; the caller compares. */
export class IdIndex {
  /** The whole index as it lies on disk. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly bucketBits: number;
  readonly starts: Uint32Array;
  readonly locations: Uint32Array;
  readonly fingerprints: Uint16Array;

  constructor(shape: IndexShape) {
    const memory = new ArrayBuffer(indexBytes(shape));
    const buckets = 2 ** shape.bucketBits;
    this.bytes = new Uint8Array(memory);
    this.bucketBits = shape.bucketBits;
    this.starts = new Uint32Array(memory, 0, buckets + 1);
    this.locations = new Uint32Array(memory, (buckets + 1) * 4, shape.keys);
    this.fingerprints = new Uint16Array(memory, (buckets + 1 + shape.keys) * 4, shape.keys);
  }

  /** Gives the memory back at once. Nothing may be called after. */
  release(): void {
    releaseMemory(this.bytes);
  }

  /** The first location with the hash's fingerprint for which `isIt` holds; -1 where none does. */
  find(hash: HalfSipHash, isIt: (location: number) => boolean): number {
    const bucket = bucketOf(hash.high, this.bucketBits);
    const fingerprint = hash.low & 0xffff;
    const end = this.starts[bucket + 1] as number;
    for (let key = this.starts[bucket] as number; key < end; key += 1) {
      if (this.fingerprints[key] === fingerprint && isIt(this.locations[key] as number)) {
        return this.locations[key] as number;
      }
    }
    return -1;
  }
}
