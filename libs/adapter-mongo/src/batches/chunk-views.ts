import { BoundedCache } from '../connection/bounded-cache.js';
import type { Documents } from '../connection/documents.js';
import { SharedRun } from '../connection/shared-run.js';
import {
  slotName,
  type BucketDocument,
  type ChunkDocument,
  type Closing,
} from './bucket-document.js';

/** What of a bucket tells one chunk's state. */
export interface ChunkView {
  readonly chunk: ChunkDocument;
  readonly closed?: Closing;
}

interface Reading {
  slots: Set<number>;
  readonly run: SharedRun<BucketDocument | undefined>;
}

const bucketsKept = 512;

/** Reads single chunks as they are now: reads of one bucket that wait for each other go together. */
export class ChunkViews {
  readonly #buckets: Documents<BucketDocument>;
  readonly #readings = new BoundedCache<Reading>(bucketsKept);

  constructor(buckets: Documents<BucketDocument>) {
    this.#buckets = buckets;
  }

  /** Undefined where it is not registered. */
  async read(bucket: string, slot: number): Promise<ChunkView | undefined> {
    let reading = this.#readings.get(bucket);
    if (reading === undefined) {
      reading = this.#newReading(bucket);
      this.#readings.set(bucket, reading);
    }
    reading.slots.add(slot);
    const read = await reading.run.run();
    // Where no wanted chunk is there, no field of them is.
    const chunks = read?.chunks;
    const chunk = chunks?.[slotName(slot)];
    if (chunk === undefined) return undefined;
    return { chunk, ...(read?.closed === undefined ? {} : { closed: read.closed }) };
  }

  #newReading(bucket: string): Reading {
    const reading: Reading = {
      slots: new Set(),
      run: new SharedRun(() => {
        const fields = [...reading.slots].map((slot) => `chunks.${slotName(slot)}`);
        reading.slots = new Set();
        return this.#buckets.get(bucket, ['closed', ...fields]);
      }),
    };
    return reading;
  }
}
