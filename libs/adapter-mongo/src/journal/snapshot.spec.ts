import fc from 'fast-check';
import {
  aDecision,
  codesOf,
  journalProcesses,
  openOrder,
  tenant,
  type JournalProcess,
  type JournalProcesses,
} from './journal-process.fixture.js';
import type { JournalStorage } from './journal-storage.js';
import { around, dying, MemoryStorage, turns } from './memory-storage.fixture.js';
import { ReferenceJournal } from './reference-journal.fixture.js';
import { decodeSnapshotState, encodeSnapshotState, type SnapshotState } from './snapshot-state.js';

let opened: JournalProcesses;
let storage: MemoryStorage;
let nowMs: number;
beforeEach(() => {
  opened = journalProcesses();
  storage = new MemoryStorage();
  nowMs = 1_000_000;
});
afterEach(() => opened.end());

const graceMs = 1_000;
const deviceCount = 240;
const start = (on: JournalStorage = storage, flushEntries = 40): JournalProcess =>
  opened.start(on, { flushEntries, graceMs, clock: { nowMs: () => nowMs }, snapshotEntries: 5 });
const names = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => `d${String((from + i) % deviceCount)}`);

let batches = 0;
/** Decides a chunk of 10 devices in a batch of its own. */
async function decideSome({ journal }: JournalProcess, from: number): Promise<void> {
  batches += 1;
  const decision = aDecision(`batch ${String(batches)}`, names(from, 10));
  await journal.decide(decision, openOrder, false);
  if (from % 3 === 0) await journal.giveBack(decision.chunk, [0, 1, 2]);
}

async function decideUpTo(process: JournalProcess, entries: number): Promise<void> {
  while (storage.entries.size < entries) await decideSome(process, batches * 7);
}

/** Snapshots hold what was flushed, and flushes take a moment. */
async function snapshotAt(process: JournalProcess, seq: number): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
    await process.journal.snapshot(0);
    if ((stateOf(storage)?.place.seq ?? 0) >= seq) return;
    await decideSome(process, batches * 7);
    await turns(100);
  }
  throw new Error(`no snapshot reaches ${String(seq)}`);
}

function stateOf(of: MemoryStorage): SnapshotState | undefined {
  const stored = of.states.get(0);
  return stored && decodeSnapshotState(stored.value);
}

function changeState(change: (state: SnapshotState) => SnapshotState): void {
  const { version, value } = storage.states.get(0) ?? { version: 0, value: new Uint8Array() };
  const changed = encodeSnapshotState(change(decodeSnapshotState(value)));
  storage.states.set(0, { version: version + 1, value: changed });
}

/** All that a view says, asked in a way that leaves no trace but one entry in `on`. */
async function everythingOf({ journal }: JournalProcess, on: MemoryStorage): Promise<unknown> {
  const found: unknown[] = [await journal.reservedUnder(tenant, 'order')];
  found.push(
    ...(await Promise.all(
      names(0, deviceCount).map((device) => journal.findByDevice(tenant, device, 1_000)),
    )),
  );
  const probe = aDecision('probe', names(0, deviceCount));
  const verdict = await journal.decide(probe, { ...openOrder, quota: 0 }, false);
  const reference = new ReferenceJournal((id) => (id === 'order' ? 1e9 : 0)).foldAll(on, 0);
  expect(reference.violations.filter(({ expected }) => expected !== undefined)).toEqual([]);
  return [...found, codesOf(verdict)];
}

function copyOf(from: MemoryStorage, withSnapshot: boolean): MemoryStorage {
  const copy = new MemoryStorage();
  for (const [id, entry] of from.entries) copy.entries.set(id, entry);
  if (!withSnapshot) return copy;
  for (const [id, blob] of from.blobs) copy.blobs.set(id, blob);
  for (const [id, state] of from.states) copy.states.set(id, state);
  return copy;
}

/** Answers of a view from the snapshot and of one from the first entry on. */
async function bothWays() {
  const short = copyOf(storage, true);
  const long = copyOf(storage, false);
  const fromSnapshot = start(short);
  const fromStart = start(long);
  const answers = [await everythingOf(fromSnapshot, short), await everythingOf(fromStart, long)];
  return { fromSnapshot, fromStart, answers };
}

describe('a view from a snapshot and the tail', () => {
  test('says what one says that folded every entry', async () => {
    const plan = fc.array(fc.record({ entries: fc.integer({ min: 1, max: 12 }), who: fc.nat(2) }), {
      minLength: 2,
      maxLength: 6,
    });
    const isSame = fc.asyncProperty(plan, async (steps) => {
      storage = new MemoryStorage();
      const processes = [start(), start(), start(storage, 24)];
      for (const { entries, who } of steps) {
        const process = processes[who] as JournalProcess;
        await decideUpTo(process, storage.entries.size + entries);
        await process.journal.snapshot(0);
      }
      const { fromSnapshot, fromStart, answers } = await bothWays();
      expect(answers[0]).toEqual(answers[1]);
      expect(fromSnapshot.told.faults).toEqual([]);
      const reached = stateOf(storage)?.place.seq ?? 0;
      expect(fromStart.told.folded - fromSnapshot.told.folded).toBe(reached);
      for (const { journal } of [...processes, fromSnapshot, fromStart]) await journal.stop(0);
    });
    await fc.assert(isSame, { numRuns: 8, seed: 20261121, endOnFailure: true });
  });

  test('reads the tail alone', async () => {
    const process = start();
    await decideUpTo(process, 30);
    await snapshotAt(process, 25);
    const heir = start();
    await heir.journal.reservedUnder(tenant, 'order');
    const reached = stateOf(storage)?.place.seq ?? 0;
    expect(heir.told.folded).toBe(storage.entries.size - reached);
    expect(reached).toBeGreaterThanOrEqual(25);
  });

  test('is due when the tail has grown, and there is more on disk than in the snapshot', async () => {
    const process = start();
    expect(await process.journal.snapshotsDue()).toEqual([]);
    await decideUpTo(process, 12);
    await snapshotAt(process, 6);
    const seq = stateOf(storage)?.place.seq ?? 0;
    expect(
      storage.entries.size - seq > 5 || (await process.journal.snapshotsDue()).length === 0,
    ).toBe(true);
    await decideUpTo(process, seq + 20);
    expect(await process.journal.snapshotsDue()).toEqual([0]);
    // Nothing is flushed that is not in the snapshot: making one would gain nothing.
    const large = start(storage, 100_000);
    await large.journal.reservedUnder(tenant, 'order');
    expect(await large.journal.snapshotsDue()).toEqual([]);
    expect(await large.journal.snapshot(0)).toBe(false);
  });

  test('is not due where another process has stored one since', async () => {
    const process = start();
    const other = start();
    await other.journal.reservedUnder(tenant, 'order');
    await decideUpTo(process, 30);
    await other.journal.reservedUnder(tenant, 'order');
    expect(await other.journal.snapshotsDue()).toEqual([0]);
    await snapshotAt(process, 26);
    expect(await other.journal.snapshotsDue()).toEqual([]);
  });

  test('is due by requests, too', async () => {
    const options = { flushEntries: 40, snapshotEntries: 1_000, snapshotRequests: 100 };
    const process = opened.start(storage, options);
    while ((await process.journal.snapshotsDue()).length === 0)
      await decideSome(process, batches * 7);
    const reserved = await process.journal.reservedUnder(tenant, 'order');
    expect(reserved).toBeGreaterThan(100);
    expect(await process.journal.snapshot(0)).toBe(true);
    expect(await process.journal.snapshotsDue()).toEqual([]);
  });
});

describe('snapshots', () => {
  test('upload what is new alone, whichever process makes them', async () => {
    const process = start();
    await decideUpTo(process, 30);
    await snapshotAt(process, 20);
    const first = stateOf(storage);
    const follower = start();
    await decideUpTo(follower, storage.entries.size + 12);
    await snapshotAt(follower, (first?.place.seq ?? 0) + 8);
    const { runs = [] } = stateOf(storage) ?? {};
    const before = new Set(first?.runs.map(({ blobId }) => blobId));
    expect(runs.length).toBeGreaterThan(before.size);
    expect(runs.filter(({ blobId }) => before.has(blobId))).toHaveLength(before.size);
    // One that folded everything itself has come to the same files.
    const other = copyOf(storage, true);
    const uploads = other.calls.get('putBlob') ?? 0;
    other.states.set(0, { version: 1, value: encodeSnapshotState(first as SnapshotState) });
    const fromStart = start(
      around(other, (name, effect) =>
        name === 'getBlob' ? (Promise.resolve(undefined) as ReturnType<typeof effect>) : effect(),
      ),
    );
    for (let saved = false; !saved;) saved = await fromStart.journal.snapshot(0);
    expect(fromStart.told.faults).toEqual(['FAULT_STORE_CORRUPT']);
    const uploaded = (other.calls.get('putBlob') ?? 0) - uploads;
    const reused = stateOf(other)?.runs.filter(({ blobId }) => before.has(blobId)) ?? [];
    expect(reused).toHaveLength(before.size);
    expect(uploaded).toBe((stateOf(other)?.runs.length ?? 0) - before.size);
  });

  test('of two processes at once do no harm', async () => {
    const processes = [start(), start(), start()];
    for (const process of processes) await decideUpTo(process, storage.entries.size + 12);
    await snapshotAt(processes[0] as JournalProcess, 10);
    await decideUpTo(processes[1] as JournalProcess, storage.entries.size + 20);
    await Promise.all(processes.map(({ journal }) => journal.reservedUnder(tenant, 'order')));
    await Promise.all(processes.map(({ journal }) => journal.snapshot(0)));
    const { answers } = await bothWays();
    expect(answers[0]).toEqual(answers[1]);
  });

  test('leave nothing behind that is not used, after the grace period', async () => {
    const process = start();
    // Merged runs take the place of sixteen.
    await decideUpTo(process, 120);
    await snapshotAt(process, 60);
    const orphan = dying(storage, 12, 'after');
    const dead = start(orphan.storage);
    dead.journal.snapshot(0).catch(() => undefined);
    await decideUpTo(process, storage.entries.size + 120);
    await snapshotAt(process, storage.entries.size - 10);
    const { retired = [] } = stateOf(storage) ?? {};
    expect(retired.length).toBeGreaterThan(0);
    orphan.bury();
    nowMs += graceMs - 1;
    await snapshotAt(process, storage.entries.size);
    expect(await storage.listBlobs(0)).toEqual(
      expect.arrayContaining(retired.map((r) => r.blobId)),
    );
    nowMs += 2 * graceMs;
    await snapshotAt(process, storage.entries.size);
    const state = stateOf(storage);
    const known = [...(state?.runs ?? []), ...(state?.retired ?? [])].map(({ blobId }) => blobId);
    expect(new Set(await storage.listBlobs(0))).toEqual(new Set(known));
    expect(state?.retired.filter(({ blobId }) => retired.some((r) => r.blobId === blobId))).toEqual(
      [],
    );
    const { answers } = await bothWays();
    expect(answers[0]).toEqual(answers[1]);
  });

  test('that were replaced while they were read are read anew', async () => {
    const process = start();
    await decideUpTo(process, 30);
    await snapshotAt(process, 20);
    const older = storage.states.get(0);
    await decideUpTo(process, storage.entries.size + 30);
    await snapshotAt(process, storage.entries.size - 10);
    let asked = 0;
    const slow = around(storage, async (name, effect) => {
      if (name === 'getState' && (asked += 1) === 1) {
        return older as Awaited<ReturnType<typeof effect>>;
      }
      return name === 'getBlob' && asked === 1
        ? (undefined as Awaited<ReturnType<typeof effect>>)
        : effect();
    });
    const reader = start(slow);
    await reader.journal.reservedUnder(tenant, 'order');
    expect(reader.told.faults).toEqual([]);
    expect(reader.told.folded).toBe(storage.entries.size - (stateOf(storage)?.place.seq ?? 0));
  });
});

describe('a snapshot that cannot be used', () => {
  const cases: readonly (readonly [string, string, () => void])[] = [
    [
      'has a number that is too high',
      'FAULT_STORE_CORRUPT',
      () => changeState((s) => ({ ...s, place: { ...s.place, seq: s.place.seq + 1 } })),
    ],
    [
      'has a number that is too low',
      'FAULT_STORE_CORRUPT',
      () => changeState((s) => ({ ...s, place: { ...s.place, seq: s.place.seq - 1 } })),
    ],
    [
      'is of another history',
      'FAULT_STORE_CORRUPT',
      () => changeState((s) => ({ ...s, place: { ...s.place, before: new Uint8Array(32) } })),
    ],
    [
      'lacks a blob',
      'FAULT_STORE_CORRUPT',
      () => storage.blobs.delete([...storage.blobs.keys()][0] ?? ''),
    ],
    [
      'has a damaged blob',
      'FAULT_STORE_CORRUPT',
      () => {
        const [blob] = storage.blobs.values();
        if (blob !== undefined) blob[5_000] = (blob[5_000] ?? 0) ^ 1;
      },
    ],
    [
      'was cut short',
      'FAULT_STORE_CORRUPT',
      () => {
        const stored = storage.states.get(0);
        const value = stored?.value.subarray(0, 60) ?? new Uint8Array();
        storage.states.set(0, { version: 99, value });
      },
    ],
    [
      'is of a newer release',
      'DATA_FORMAT_UNSUPPORTED',
      () => {
        const stored = storage.states.get(0);
        if (stored !== undefined) stored.value[1] = 2;
      },
    ],
  ];

  test.each(cases)('because it %s is reported and passed over', async (_name, code, spoil) => {
    const process = start();
    await decideUpTo(process, 20);
    await snapshotAt(process, 10);
    spoil();
    const { fromSnapshot, answers } = await bothWays();
    expect(fromSnapshot.told.faults).toEqual([code]);
    expect(answers[0]).toEqual(answers[1]);
  });

  test('is passed over where a restore left less of the journal', async () => {
    const process = start();
    await decideUpTo(process, 20);
    await snapshotAt(process, 10);
    const reached = stateOf(storage)?.place.seq ?? 0;
    for (let seq = reached; storage.entries.delete(`0.${String(seq)}`);) seq += 1;
    const { fromSnapshot, answers } = await bothWays();
    expect(fromSnapshot.told.faults).toEqual(['FAULT_STORE_CORRUPT']);
    expect(answers[0]).toEqual(answers[1]);
  });
});
