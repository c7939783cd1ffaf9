import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PageCache, RequestKeys, SpareMemtables, startRunWriter } from '@certmill/packed';
import fc from 'fast-check';
import { encodeEntry } from './entry-codec.js';
import type { DecisionItem, JournalItem, ReleaseItem } from './journal-entry.js';
import { aDecision, openOrder, secret, tenant } from './journal-process.fixture.js';
import type { StoredEntry } from './journal-storage.js';
import { candidateOf, keysOf } from './judge.js';
import { ShardView } from './shard-view.js';
import { journalStart, ViewRuns } from './view-runs.js';

const folder = mkdtempSync(join(tmpdir(), 'certmill-view-'));
const runWriter = startRunWriter();
const keys = new RequestKeys(secret);
const views: ShardView[] = [];

afterEach(async () => {
  await Promise.all(views.splice(0).map(({ runs }) => runs.close()));
});
afterAll(async () => {
  await runWriter.stop();
  rmSync(folder, { recursive: true });
});

let folders = 0;
function aView(flushEntries = 1_000): ShardView {
  folders += 1;
  const runs = new ViewRuns({
    directory: join(folder, String(folders)),
    runWriter,
    pageCache: new PageCache(64 * 1024),
    spares: new SpareMemtables(),
    flushEntries,
    onFault: (fault) => {
      throw fault;
    },
    place: journalStart,
    runs: { claims: [], index: [] },
  });
  const view = new ShardView(runs, keys, journalStart);
  views.push(view);
  return view;
}

/** The decision of a chunk whose requests were all accepted. */
function accepting(batchName: string, devices: readonly string[]): DecisionItem {
  const decision = aDecision(batchName, devices);
  const { chunk, orderId, profileName, firstIndex, codes, draft } = decision;
  const candidate = candidateOf(decision, openOrder, keys);
  return {
    kind: 'decision',
    chunk,
    orderId,
    profileName,
    renews: false,
    firstIndex,
    count: codes.length,
    verdict: draft,
    keys: candidate.keys,
  };
}

function releasing(
  kind: ReleaseItem['kind'],
  decision: DecisionItem,
  positions: readonly number[],
): ReleaseItem {
  const { chunk, orderId } = decision;
  return { kind, chunk, orderId, positions, keys: keysOf(decision.keys, positions) };
}

const entryAfter = (view: ShardView, ...items: readonly JournalItem[]): StoredEntry =>
  encodeEntry({ previous: view.place.chain, items });
const fold = (view: ShardView, ...items: readonly JournalItem[]): boolean =>
  view.fold(entryAfter(view, ...items));
const reserved = (view: ShardView): number => view.reservedUnder(tenant, 'order');

describe('folding an entry', () => {
  test('a second decision of a chunk has no effect, in the same entry and in a later one', () => {
    const view = aView();
    const first = accepting('b', ['a', 'b']);
    const second = { ...accepting('b', ['x', 'y', 'z']), chunk: first.chunk };
    fold(view, first, second);
    fold(view, second);
    expect(view.decidedAt(first.chunk)).toEqual({ seq: 1, index: 0 });
    expect(reserved(view)).toBe(2);
    expect(view.requestsOfDevice(tenant, 'x', 9)).toEqual([]);
    expect(view.requestsOfDevice(tenant, 'b', 9)).toEqual([{ seq: 1, index: 1 }]);
  });

  test('a place in an entry counts the requests of decisions that have no effect, too', () => {
    const view = aView();
    const first = accepting('b', ['a', 'b']);
    fold(view, first, first, accepting('c', ['c', 'd']));
    expect(view.requestsOfDevice(tenant, 'd', 9)).toEqual([{ seq: 1, index: 5 }]);
  });

  test('a second giving back has no effect, nor one of what others hold by now', () => {
    const view = aView();
    const first = accepting('b', ['a', 'b']);
    fold(view, first);
    fold(view, releasing('giving-back', first, [0, 0]), releasing('giving-back', first, [0]));
    expect(reserved(view)).toBe(1);
    fold(view, accepting('c', ['a']));
    fold(view, releasing('giving-back', first, [0]), releasing('claim-release', first, [0]));
    expect(reserved(view)).toBe(2);
    const again = accepting('c', ['a']).keys;
    expect(view.claims.obstacleOf(again, 0, { seq: 9, index: 0 })).toEqual({
      kind: 'device-claimed',
      holder: { seq: 3, index: 0 },
    });
  });

  test('a release of a chunk that was not decided before it has no effect', () => {
    const view = aView();
    const decision = accepting('b', ['a']);
    fold(view, releasing('giving-back', decision, [0]), decision);
    expect(reserved(view)).toBe(1);
  });

  test('an entry of another history has no effect but to take up its number', () => {
    const view = aView();
    const zombie = aView();
    fold(zombie, accepting('z', ['z']));
    const late = entryAfter(zombie, accepting('c', ['c']));
    fold(view, accepting('b', ['a']));
    expect(view.fold(late)).toBe(false);
    expect(view.place.seq).toBe(2);
    expect(view.requestsOfDevice(tenant, 'c', 9)).toEqual([]);
    // Nor what the same zombie inserts behind it.
    zombie.fold(late);
    expect(view.fold(entryAfter(zombie, accepting('d', ['d'])))).toBe(false);
    expect(fold(view, accepting('e', ['e']))).toBe(true);
    expect(reserved(view)).toBe(2);
  });

  test('that fails changes nothing', () => {
    const view = aView();
    const first = accepting('b', ['a', 'b']);
    fold(view, first);
    const before = view.place;
    // More is given back than was ever taken of that order.
    const wrong = { ...releasing('giving-back', first, [0]), orderId: 'other' };
    const entry = entryAfter(view, accepting('c', ['c']), wrong);
    for (const bad of [entry, { ...entry, body: entry.body.subarray(1) }]) {
      expect(() => view.fold(bad)).toThrow(
        expect.objectContaining({ code: 'FAULT_STORE_CORRUPT' }) as Error,
      );
      expect(view.place).toEqual(before);
      expect(view.decidedAt(accepting('c', ['c']).chunk)).toBeUndefined();
      expect(reserved(view)).toBe(2);
    }
  });

  test('comes to the same whenever the maps are flushed and merged', async () => {
    const steps = fc.array(
      fc.record({
        devices: fc.uniqueArray(fc.nat(999), { minLength: 1, maxLength: 6 }),
        give: fc.nat(9),
      }),
      { minLength: 10, maxLength: 120 },
    );
    const isSame = fc.asyncProperty(steps, fc.integer({ min: 4, max: 60 }), async (plan, every) => {
      const [small, large] = [aView(every), aView(100_000)] as const;
      const done: DecisionItem[] = [];
      for (const [n, { devices, give }] of plan.entries()) {
        const decision = accepting(
          `batch ${String(n)}`,
          devices.map((d) => `${String(n)}-${String(d)}`),
        );
        done.push(decision);
        const back = done[give * 3];
        const items =
          back === undefined ? [decision] : [decision, releasing('giving-back', back, [0])];
        const entry = entryAfter(large, ...items);
        for (const view of [small, large]) {
          await view.makeRoom();
          expect(view.fold(entry)).toBe(true);
        }
      }
      expect(small.place).toEqual(large.place);
      expect(reserved(small)).toBe(reserved(large));
      for (const { chunk, keys: of } of done) {
        expect(small.decidedAt(chunk)).toEqual(large.decidedAt(chunk));
        for (let at = 0; at < of.length; at += 48) {
          const nobody = { seq: 1e9, index: 0 };
          expect(small.claims.obstacleOf(of, at, nobody)).toEqual(
            large.claims.obstacleOf(of, at, nobody),
          );
          expect(small.claims.requestsOf(of, at, 9)).toEqual(large.claims.requestsOf(of, at, 9));
        }
      }
      expect(large.runs.flushed.runs.claims).toEqual([]);
    });
    await fc.assert(isSame, { numRuns: 10, seed: 20261121, endOnFailure: true });
  });
});
