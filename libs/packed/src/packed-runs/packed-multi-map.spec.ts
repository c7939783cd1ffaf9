import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { PackedMultiMap } from './packed-multi-map.js';
import { PageCache } from './page-cache.js';
import { startRunWriter } from './run-writer.js';

const writer = startRunWriter();
const folder = mkdtempSync(join(tmpdir(), 'certmill-packed-multi-map-'));
let folders = 0;

afterAll(async () => {
  await writer.stop();
  rmSync(folder, { recursive: true });
});

const keyCount = 6;
const keys = Buffer.alloc(keyCount * 16);
for (let key = 0; key < keyCount; key += 1) keys.writeInt32LE(key - 3, key * 16 + (key % 4) * 4);

function open(directory: string, runs: readonly string[]): PackedMultiMap {
  return new PackedMultiMap({
    directory,
    runs,
    writer,
    pageCache: new PageCache(64 * 1024),
    flushEntries: 500,
    fanOut: 3,
    filterBitsPerEntry: 0,
  });
}

describe('a packed multi-map', () => {
  it('returns the newest values first, up to the limit, through merges and reopening', async () => {
    const batch = fc.record({
      // Large batches of one key fill several pages.
      puts: fc.array(fc.tuple(fc.nat(keyCount - 1), fc.integer({ min: 1, max: 120 })), {
        minLength: 1,
        maxLength: 6,
      }),
      then: fc.constantFrom('nothing', 'flush', 'flush and merge', 'roll back', 'reopen'),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(batch, { minLength: 3, maxLength: 14 }),
        fc.integer({ min: 1, max: 700 }),
        async (batches, limit) => {
          const directory = join(folder, String((folders += 1)));
          let map = open(directory, []);
          let put: number[] = [];
          let position = 0;
          for (const { puts, then } of batches) {
            const mark = map.mark();
            const batchKeys = puts.flatMap(([key, times]) => Array<number>(times).fill(key));
            for (const [i, key] of batchKeys.entries()) {
              map.put(keys, key * 16, 0xffff_fff0, put.length + i);
            }
            if (then === 'roll back') map.rollback(mark);
            else put = [...put, ...batchKeys];
            if (map.flushDue || then.startsWith('flush')) {
              const flush = await map.flush(put.length);
              map.runsAfter(flush);
              map.adopt(flush);
              position = put.length;
            }
            if (then === 'flush and merge') {
              const merge = await map.merge();
              if (merge !== undefined) map.adopt(merge);
            }
            if (then === 'reopen') {
              const { runs } = map;
              await map.close();
              map = open(directory, runs);
              for (let i = position; i < put.length; i += 1) {
                map.put(keys, put[i]! * 16, 0xffff_fff0, i);
              }
            }
          }
          for (let key = 0; key < keyCount; key += 1) {
            const expected = put
              .flatMap((one, low) => (one === key ? [{ high: 0xffff_fff0, low }] : []))
              .toReversed()
              .slice(0, limit);
            expect(map.lookUp(keys, key * 16, limit)).toEqual(expected);
          }
          await map.close();
        },
      ),
      { numRuns: 60, seed: 20260102 },
    );
  });
});
