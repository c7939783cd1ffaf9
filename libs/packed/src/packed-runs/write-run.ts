import { compareKeys, wordsPerEntry } from './entry.js';
import { releaseMemory } from './release-memory.js';
import { RunOutput, type RunShape, type WrittenRun } from './run-output.js';
import { sortedOrder } from './sort-entries.js';

export interface WriteJob extends RunShape {
  readonly path: string;
  /** The log of a frozen memtable, unsorted. */
  readonly entries: Int32Array;
  readonly count: number;
}

/**
 * Sorts the entries of a memtable and writes them as a run file; of a map, only the newest of each
 * key. On failure the file is removed. Throws what node:fs throws.
 */
export function writeRun(job: WriteJob): WrittenRun {
  const { entries, count } = job;
  const order = sortedOrder(entries, count);
  const output = new RunOutput(job.path, job, count);
  try {
    let last = -1;
    for (const entry of order) {
      const at = entry * wordsPerEntry;
      const repeats =
        job.kind === 'map' && last >= 0 && compareKeys(entries, last, entries, at) === 0;
      if (!repeats) output.append(entries, at);
      last = at;
    }
    return output.finish();
  } catch (error) {
    output.abandon();
    throw error;
  } finally {
    releaseMemory(order);
  }
}
