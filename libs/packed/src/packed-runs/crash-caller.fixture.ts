import { hash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PackedMap } from './packed-map.js';
import { PackedMultiMap } from './packed-multi-map.js';
import { PageCache } from './page-cache.js';
import { startRunWriter, type RunWriter } from './run-writer.js';
import type { RunChange, SortedRuns } from './sorted-runs.js';

/**
 * The store's part, as small as it can be, for the tests that kill it: entry i of an endless list
 * is (key i mod keyCount, value i + 1); what is recorded is a file that is replaced at once.
 */
export const keyCount = 5000;
export const keys = Buffer.concat(
  Array.from({ length: keyCount }, (_, i) => hash('md5', String(i), 'buffer')),
);

interface Recorded {
  readonly runs: readonly string[];
  readonly position: number;
}

export interface Opened {
  readonly map: PackedMap;
  readonly multiMap: PackedMultiMap;
  readonly recorded: { map: Recorded; multiMap: Recorded };
}

function recordPath(directory: string): string {
  return join(directory, 'recorded.json');
}

export function openAsRecorded(directory: string, writer: RunWriter): Opened {
  const path = recordPath(directory);
  const nothing: Recorded = { runs: [], position: 0 };
  const recorded = existsSync(path)
    ? (JSON.parse(readFileSync(path, 'utf8')) as Opened['recorded'])
    : { map: nothing, multiMap: nothing };
  const pageCache = new PageCache(256 * 1024);
  const options = (kind: 'map' | 'multiMap') => ({
    directory: join(directory, kind),
    runs: recorded[kind].runs,
    writer,
    pageCache,
    flushEntries: 1000,
    fanOut: 4,
  });
  return {
    map: new PackedMap(options('map')),
    multiMap: new PackedMultiMap(options('multiMap')),
    recorded,
  };
}

/** Puts from where the recorded lists end, flushing and merging, for ever; says so on stdout. */
export async function putForEver(directory: string): Promise<never> {
  const opened = openAsRecorded(directory, startRunWriter());
  process.stdout.write('started');
  const record = (kind: 'map' | 'multiMap', runs: SortedRuns, change: RunChange): void => {
    opened.recorded[kind] = {
      runs: runs.runsAfter(change),
      position: change.position ?? opened.recorded[kind].position,
    };
    const path = recordPath(directory);
    writeFileSync(`${path}.new`, JSON.stringify(opened.recorded), { flush: true });
    renameSync(`${path}.new`, path);
    runs.adopt(change);
  };
  const putAll = async (kind: 'map' | 'multiMap'): Promise<never> => {
    const runs = opened[kind];
    for (let i = opened.recorded[kind].position; ; i += 1) {
      runs.put(keys, (i % keyCount) * 16, 0, i + 1);
      if (!runs.flushDue) continue;
      record(kind, runs, await runs.flush(i + 1));
      if (runs.mergeDue) {
        void runs.merge().then((change) => {
          if (change !== undefined) record(kind, runs, change);
        });
      }
    }
  };
  return Promise.race([putAll('map'), putAll('multiMap')]);
}

/** Puts entries, has the flush fail, and says as JSON how and whether all are still readable. */
export async function putUntilFault(directory: string): Promise<string> {
  const { map } = openAsRecorded(directory, startRunWriter());
  for (let i = 0; i < 4000; i += 1) map.put(keys, i * 16, 0, i + 1);
  const code = await map.flush(4000).then(
    () => 'none',
    (error: unknown) => (error as { code: unknown }).code,
  );
  const value = { high: 0, low: 0 };
  let readable = true;
  for (let i = 0; i < 4000; i += 1)
    readable &&= map.get(keys, i * 16, value) && value.low === i + 1;
  return JSON.stringify({ code, readable });
}
