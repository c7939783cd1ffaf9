import { randomFillSync } from 'node:crypto';
import { PackedMap } from './packed-map.js';
import { PageCache } from './page-cache.js';
import type { RunChange } from './sorted-runs.js';
import { startRunWriter } from './run-writer.js';

const keysAtOnce = 4096;

/**
 * Puts `millions` of random keys into a map, flushing and merging as it falls due, and says as JSON
 * by how many octets the process grew per million, not counting the first `warmUp` entries.
 */
export async function growthPerMillion(
  directory: string,
  millions: number,
  warmUp: number,
): Promise<string> {
  const writer = startRunWriter();
  const pageCache = new PageCache(1024 * 1024);
  const map = new PackedMap({ directory, runs: [], writer, pageCache, flushEntries: 32_768 });
  const keys = new Uint8Array(keysAtOnce * 16);
  const value = { high: 0, low: 0 };
  const entries = millions * 1e6;
  let before = 0;
  let merges = 0;
  for (let put = 0; put < entries; put += keysAtOnce) {
    randomFillSync(keys);
    for (let key = 0; key < keysAtOnce; key += 1) {
      if (key % 16 === 0) map.get(keys, key * 16, value);
      map.put(keys, key * 16, 1, put + key);
    }
    if (map.flushDue) map.adopt(await map.flush(put));
    if (map.mergeDue) {
      map.adopt((await map.merge()) as RunChange);
      merges += 1;
    }
    if (put < warmUp) before = process.memoryUsage.rss();
  }
  const grown = process.memoryUsage.rss() - before;
  await map.close();
  await writer.stop();
  return JSON.stringify({ merges, perMillion: (grown * 1e6) / (entries - warmUp) });
}
