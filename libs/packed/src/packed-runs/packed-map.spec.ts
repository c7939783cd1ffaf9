import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { PackedMap } from './packed-map.js';
import { PageCache } from './page-cache.js';
import { startRunWriter } from './run-writer.js';
import type { RunChange } from './sorted-runs.js';
import { SpareMemtables } from './spare-memtables.js';

const writer = startRunWriter();
/** What one map wrote into a memtable must not be seen by the next that takes it. */
const spares = new SpareMemtables();
const folder = mkdtempSync(join(tmpdir(), 'certmill-packed-map-'));
let folders = 0;

afterAll(async () => {
  await writer.stop();
  rmSync(folder, { recursive: true });
});

/** Keys that share words with each other, so that every comparison is needed. */
const keyCount = 40;
const keys = Buffer.alloc(keyCount * 16);
for (let key = 0; key < keyCount; key += 1) {
  keys.writeInt32LE(((key % 3) - 1) * 0x7000_0000, key * 16);
  keys.writeInt32LE((Math.floor(key / 3) % 2) - 1, key * 16 + 4);
  keys.writeInt32LE((Math.floor(key / 6) % 2) * 0x8000, key * 16 + 8);
  keys.writeUInt32LE(Math.floor(key / 12) * 0x5555_5555, key * 16 + 12);
}

interface Put {
  readonly key: number;
  readonly high: number;
  readonly low: number;
}

/** What the store would do: owns the log of puts, records lists and positions, replays the tail. */
class Caller {
  readonly directory = join(folder, String((folders += 1)));
  readonly log: Put[] = [];
  runs: readonly string[] = [];
  position = 0;
  map = this.#open();

  #open(): PackedMap {
    return new PackedMap({
      directory: this.directory,
      runs: this.runs,
      writer,
      pageCache: new PageCache(64 * 1024),
      spares,
      flushEntries: 8,
      fanOut: 3,
    });
  }

  async reopen(): Promise<void> {
    await this.map.close();
    this.map = this.#open();
    for (const { key, high, low } of this.log.slice(this.position)) {
      this.map.put(keys, key * 16, high, low);
    }
  }

  transaction(puts: readonly Put[], commits: boolean): void {
    const mark = this.map.mark();
    for (const { key, high, low } of puts) this.map.put(keys, key * 16, high, low);
    if (commits) this.log.push(...puts);
    else this.map.rollback(mark);
  }

  end(change: RunChange | undefined, recorded: boolean): void {
    if (change === undefined) return;
    if (!recorded) {
      this.map.discard(change);
      return;
    }
    this.runs = this.map.runsAfter(change);
    this.position = change.position ?? this.position;
    this.map.adopt(change);
  }
}

const put: fc.Arbitrary<Put> = fc.record({
  key: fc.nat(keyCount - 1),
  high: fc.oneof(fc.constant(0), fc.nat(0xffff_ffff)),
  low: fc.oneof(fc.constant(0), fc.nat(0xffff_ffff)),
});
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ puts: fc.array(put, { maxLength: 6 }), commits: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ flush: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ merge: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ reopen: true }) },
);

describe('a packed map', () => {
  it('holds what a Map holds, through rollback, flush, merge and reopening', async () => {
    let merges = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 80 }), async (steps) => {
        const caller = new Caller();
        for (const one of steps) {
          if ('puts' in one) {
            if (caller.map.stats().entriesInMemory < 24) {
              caller.transaction(one.puts, one.commits);
            }
          } else if ('flush' in one) {
            caller.end(await caller.map.flush(caller.log.length), one.flush);
          } else if ('merge' in one) {
            const change = await caller.map.merge();
            merges += change === undefined ? 0 : 1;
            caller.end(change, one.merge);
          } else {
            await caller.reopen();
          }
          expectSame(caller);
        }
        await caller.map.close();
      }),
      { numRuns: 100, seed: 20260101 },
    );
    expect(merges).toBeGreaterThan(20);
  });

  it('answers from the frozen entries while they are written', async () => {
    const caller = new Caller();
    caller.transaction([{ key: 1, high: 7, low: 9 }], true);
    const flush = caller.map.flush(1);
    caller.transaction([{ key: 2, high: 8, low: 0 }], true);
    expectSame(caller);
    caller.end(await flush, true);
    caller.transaction([{ key: 1, high: 0, low: 0 }], true);
    expectSame(caller);
    await caller.map.close();
  });

  it('forgets released keys once nothing older is left', async () => {
    const caller = new Caller();
    for (const value of [1, 2, 0]) {
      caller.transaction([{ key: 5, high: 0, low: value }], true);
      caller.end(await caller.map.flush(caller.log.length), true);
    }
    expect(caller.map.stats()).toMatchObject({ runs: 3, entriesInRuns: 3 });
    caller.end(await caller.map.merge(), true);
    expect(caller.map.stats()).toMatchObject({ runs: 1, entriesInRuns: 0 });
    expectSame(caller);
    await caller.reopen();
    expectSame(caller);
    await caller.map.close();
  });

  it('keeps a release that hides an older run', async () => {
    const caller = new Caller();
    const flushOne = async (low: number): Promise<void> => {
      caller.transaction([{ key: 5, high: 0, low }], true);
      caller.end(await caller.map.flush(caller.log.length), true);
    };
    for (const low of [1, 2, 3]) await flushOne(low);
    caller.end(await caller.map.merge(), true);
    for (const low of [4, 5, 0]) await flushOne(low);
    caller.end(await caller.map.merge(), true);
    expect(caller.map.stats()).toMatchObject({ runs: 2, entriesInRuns: 2 });
    expectSame(caller);
    await caller.map.close();
  });

  it('refuses more once memory holds four flushes, and takes it after the flush', async () => {
    const caller = new Caller();
    const puts = Array.from({ length: 32 }, (_, i) => ({ key: i, high: 1, low: i }));
    caller.transaction(puts, true);
    const mark = caller.map.mark();
    expect(() => caller.map.put(keys, 0, 1, 1)).toThrow(
      expect.objectContaining({ code: 'FAULT_OVERLOADED' }) as Error,
    );
    expect(caller.map.mark()).toBe(mark);
    caller.end(await caller.map.flush(32), true);
    caller.transaction([{ key: 0, high: 1, low: 1 }], true);
    expectSame(caller);
    await caller.map.close();
  });

  it('refuses a mark from before a flush', async () => {
    const caller = new Caller();
    caller.transaction([{ key: 0, high: 1, low: 1 }], true);
    const mark = caller.map.mark() - 1;
    caller.end(await caller.map.flush(1), true);
    expect(() => caller.map.rollback(mark)).toThrow(
      expect.objectContaining({ code: 'CONFLICT' }) as Error,
    );
    await caller.map.close();
  });
});

function expectSame(caller: Caller): void {
  const newest = new Map<number, Put>();
  for (const one of caller.log) newest.set(one.key, one);
  const value = { high: -1, low: -1 };
  for (let key = 0; key < keyCount; key += 1) {
    const { high, low } = newest.get(key) ?? { high: 0, low: 0 };
    const found = caller.map.get(keys, key * 16, value);
    expect({ key, found, ...value }).toEqual({ key, found: high !== 0 || low !== 0, high, low });
  }
}
