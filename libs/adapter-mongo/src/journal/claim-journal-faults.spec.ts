import { chunkIdOf, type ChunkRef } from '@certmill/domain';
import type { Decision } from '@certmill/ports';
import type { ChunkEnd } from './claim-journal.js';
import {
  aDecision,
  journalProcesses,
  openOrder,
  tenant,
  type JournalProcess,
  type JournalProcesses,
} from './journal-process.fixture.js';
import type { JournalStorage } from './journal-storage.js';
import { around, down, dying, failing, MemoryStorage, turns } from './memory-storage.fixture.js';
import { ReferenceJournal } from './reference-journal.fixture.js';

const quota = 11;
const order = { ...openOrder, quota };
/** Overlapping devices: what is decided depends on what was decided before. */
const decisions: readonly Decision[] = [0, 1, 2, 3, 4].map((n) =>
  aDecision(
    `batch ${String(n)}`,
    [0, 1, 2, 3].map((i) => `d${String(n * 3 + i)}`),
    { firstIndex: n * 8 },
  ),
);

/** Certificates of the first three chunks expire as soon as they are issued, the others are in flight. */
const endOf = (chunk: ChunkRef): ChunkEnd | undefined =>
  decisions.slice(0, 3).some((one) => chunkIdOf(one.chunk) === chunkIdOf(chunk))
    ? { released: [], notAfterMs: 0 }
    : undefined;

/** What callers were told. */
interface Acknowledged {
  readonly verdicts: Map<string, string>;
  readonly released: Set<string>;
}

/** The work of a process from beginning to end; repeating it changes nothing that was done. */
async function work({ journal }: JournalProcess, told: Acknowledged): Promise<void> {
  const decide = async (decision: Decision | undefined): Promise<void> => {
    if (decision === undefined) return;
    const verdict = await journal.decide(decision, order, false);
    const id = chunkIdOf(decision.chunk);
    const hex = Buffer.from(verdict).toString('hex');
    expect(told.verdicts.get(id) ?? hex).toBe(hex);
    told.verdicts.set(id, hex);
  };
  const [first, second, third, fourth, fifth] = decisions;
  if (first === undefined || second === undefined) return;
  await Promise.all([decide(first), decide(second)]);
  await journal.giveBack(first.chunk, [0, 1]);
  told.released.add(`${chunkIdOf(first.chunk)}/0`).add(`${chunkIdOf(first.chunk)}/1`);
  await journal.snapshot(0);
  await decide(third);
  await journal.releaseClaim(second.chunk, second.firstIndex + 1);
  told.released.add(`${chunkIdOf(second.chunk)}/${String(second.firstIndex + 1)}`);
  await journal.snapshot(0);
  await Promise.all([decide(fourth), decide(fifth)]);
  await journal.snapshot(0);
  await journal.reservedUnder(tenant, 'order');
}

const nothing = (): Acknowledged => ({ verdicts: new Map(), released: new Set() });

/** What is in the journal, checked against the rules and against what callers were told. */
function expectKept(storage: MemoryStorage, told: Acknowledged): ReferenceJournal {
  const reference = new ReferenceJournal(() => quota, endOf).foldAll(storage, 0);
  expect(reference.violations).toEqual([]);
  expect(reference.ignored).toBe(0);
  for (const [id, hex] of told.verdicts) expect(reference.verdicts.get(id)).toBe(hex);
  for (const request of reference.accepted) {
    const name = `${chunkIdOf(request.chunk)}/${String(request.index)}`;
    if (told.released.has(name)) expect(reference.claims.get(request.claim)).not.toBe(request);
  }
  return reference;
}

async function expectFinished(
  process: JournalProcess,
  storage: MemoryStorage,
  told: Acknowledged,
): Promise<void> {
  const reference = expectKept(storage, told);
  expect(reference.verdicts.size).toBe(decisions.length);
  const reserved = await process.journal.reservedUnder(tenant, 'order');
  expect(reserved).toBe(reference.reserved.get('order'));
  expect(reserved).toBe(quota);
  for (const { device } of reference.accepted) {
    const found = await process.journal.findByDevice(tenant, device, 99);
    expect(found).toEqual(
      reference.requestsOf(device).map(({ chunk, index }) => ({ chunk, index })),
    );
  }
  expect(process.told.faults).toEqual([]);
}

let opened: JournalProcesses;
let storage: MemoryStorage;
beforeEach(() => {
  opened = journalProcesses();
  storage = new MemoryStorage();
});
afterEach(() => opened.end());

// Small maps, so that there are runs to upload after a few decisions.
const options = {
  flushEntries: 12,
  endsOf: (chunks: readonly ChunkRef[]) => Promise.resolve(chunks.map(endOf)),
};

async function callsOfTheWork(): Promise<number> {
  const counting = new MemoryStorage();
  await work(opened.start(counting, options), nothing());
  return [...counting.calls.values()].reduce((sum, count) => sum + count, 0);
}

describe('a process that is killed', () => {
  test.each(['before', 'after'] as const)(
    '%s the effect of any call of its storage: another one finishes the work',
    async (mode) => {
      const calls = await callsOfTheWork();
      expect(calls).toBeGreaterThan(20);
      for (let at = 1; at <= calls; at += 1) {
        storage = new MemoryStorage();
        const told = nothing();
        const { storage: mortal, died, bury } = dying(storage, at, mode);
        const dead = opened.start(mortal, options);
        const working = work(dead, told);
        working.catch(() => undefined);
        await Promise.race([died, working]);
        expectKept(storage, told);
        const heir = opened.start(storage, options);
        await work(heir, told);
        await expectFinished(heir, storage, told);
        bury();
        await Promise.all([dead, heir].map(({ journal }) => journal.stop(0)));
      }
    },
  );
});

describe('a storage that fails', () => {
  test.each(['fails', 'persists'] as const)(
    'at any call (it %s): the callers try again, and nothing is done twice',
    async (mode) => {
      const calls = await callsOfTheWork();
      for (let at = 1; at <= calls; at += 1) {
        storage = new MemoryStorage();
        const told = nothing();
        const process = opened.start(failing(storage, at, mode), options);
        let failures = 0;
        for (;;) {
          try {
            await work(process, told);
            break;
          } catch (error) {
            expect(error).toMatchObject({ code: 'FAULT_STORE_DOWN' });
            failures += 1;
            expect(failures).toBeLessThan(3);
          }
          expectKept(storage, told);
        }
        // Not by the same storage: its failure may be still to come.
        const heir = opened.start(storage, options);
        await expectFinished(heir, storage, told);
        await Promise.all([process, heir].map(({ journal }) => journal.stop(0)));
      }
    },
  );

  test('that ends after whoever waited was told that the process stops: nobody else is told', async () => {
    const [first] = decisions;
    const { promise: isInserting, resolve: inserting } = Promise.withResolvers<undefined>();
    const { promise: isDown, reject: goDown } = Promise.withResolvers<never>();
    isDown.catch(() => undefined);
    let isGone = false;
    const hanging: JournalStorage = {
      ...around(storage, (_, effect) => effect()),
      insert: () => {
        inserting(undefined);
        return isDown;
      },
      // The verdict that another process has made is read at its place, one entry.
      read: (shard, from, limit) =>
        isGone && limit === 1 ? Promise.reject(down()) : storage.read(shard, from, limit),
    };
    const stopping = opened.start(hanging, options);
    const told = stopping.journal.decide(first as Decision, order, false);
    await isInserting;
    await opened.start(storage, options).journal.decide(first as Decision, order, false);
    const stopped = stopping.journal.stop(0);
    await expect(told).rejects.toMatchObject({ code: 'FAULT_STOPPING' });
    isGone = true;
    goDown(down());
    await stopped;
    // A rejection that nobody handles fails the test.
    await turns(20);
  });

  test('an insert of which nobody knows whether it is there is read back, not made again', async () => {
    const process = opened.start(failing(storage, 3, 'persists'), options);
    const [first] = decisions;
    // Calls: getState, read, insert.
    const verdict = await process.journal.decide(first as Decision, order, false);
    expect(verdict).toEqual(new Uint8Array((first as Decision).draft));
    expect(storage.calls.get('insert')).toBe(1);
    expect(storage.entries.size).toBe(1);
  });

  test('an insert that comes in after its process was told that it failed counts once', async () => {
    let late: (() => Promise<unknown>) | undefined;
    const postponing = around(storage, (name, effect) => {
      if (name !== 'insert' || late !== undefined) return effect();
      late = effect;
      return Promise.reject(Object.assign(new Error('down'), { code: 'ECONNRESET' }));
    });
    const process = opened.start(postponing, options);
    const [first] = decisions as [Decision];
    await expect(process.journal.decide(first, order, false)).rejects.toMatchObject({
      code: 'FAULT_STORE_DOWN',
    });
    await late?.();
    await process.journal.decide(first, order, false);
    expect(storage.entries.size).toBe(1);
    expect(await process.journal.reservedUnder(tenant, 'order')).toBe(4);
  });

  test('only the calls of the entry in hand fail, the others go on', async () => {
    const process = opened.start(
      around(storage, (name, effect) =>
        name === 'insert' && storage.entries.size === 1
          ? Promise.reject(Object.assign(new Error('down'), { code: 'ECONNRESET' }))
          : effect(),
      ),
      options,
    );
    const [first, second] = decisions as [Decision, Decision];
    await process.journal.decide(first, order, false);
    await expect(process.journal.decide(second, order, false)).rejects.toMatchObject({
      code: 'FAULT_STORE_DOWN',
    });
    expect(await process.journal.reservedUnder(tenant, 'order')).toBe(4);
    expect(await process.journal.getVerdict(first.chunk)).toBeDefined();
  });
});

describe('a journal with an entry that cannot be read', () => {
  const damage = (change: (entry: { head: Uint8Array; body: Uint8Array }) => void) => {
    const entry = storage.entries.get('0.1') as { head: Uint8Array; body: Uint8Array };
    change(entry);
  };

  test.each([
    ['body', (entry: { body: Uint8Array }) => (entry.body[40] = (entry.body[40] ?? 0) ^ 1)],
    ['head', (entry: { head: Uint8Array }) => (entry.head[50] = (entry.head[50] ?? 0) ^ 1)],
  ] as const)('halts whoever folds it: damaged %s', async (_part, change) => {
    await opened.start(storage, options).journal.decide(decisions[0] as Decision, order, false);
    damage(change);
    const process = opened.start(storage, options);
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await expect(
        process.journal.decide(decisions[1] as Decision, order, false),
      ).rejects.toMatchObject({ code: 'FAULT_STORE_CORRUPT' });
    }
    expect(storage.entries.size).toBe(1);
  });
});
