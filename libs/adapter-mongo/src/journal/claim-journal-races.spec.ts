import { chunkIdOf, type ChunkRef } from '@certmill/domain';
import type { Decision } from '@certmill/ports';
import fc from 'fast-check';
import {
  aDecision,
  codesOf,
  journalProcesses,
  openOrder,
  tenant,
  type Device,
  type JournalProcess,
  type JournalProcesses,
} from './journal-process.fixture.js';
import type { ChunkEnd, OrderTerms } from './claim-journal.js';
import type { JournalStorage } from './journal-storage.js';
import { chaotic, MemoryStorage, seeded, turns } from './memory-storage.fixture.js';
import { ReferenceJournal } from './reference-journal.fixture.js';

const quotas = new Map([
  ['order-a', 60],
  ['order-b', 150],
  ['order-c', 100_000],
  ['probe', 0],
]);
const orders = ['order-a', 'order-b', 'order-c'];
const profiles = ['idevid', 'ldevid'];
const quotaOf = (orderId: string): number => quotas.get(orderId) ?? 0;
const termsOf = (orderId: string, renews = false): OrderTerms => {
  return { ...openOrder, quota: quotaOf(orderId), ...(renews ? { renews } : {}) };
};

interface Race {
  readonly seed: number;
  readonly processes: number;
  readonly chunks: number;
  readonly devices: number;
  readonly maxTurns: number;
  readonly failures: number;
  /** Orders b and c renew, and each chunk has ended as soon as it is decided: also what is given back later. */
  readonly renews?: boolean;
  /** Certificates of odd chunks have expired by the time that all are received. */
  readonly expires?: boolean;
  /** How often a caller tries again. */
  readonly attempts?: number;
}

const isOdd = ({ chunkNumber }: ChunkRef): boolean => chunkNumber % 2 === 1;

function endIn({ renews, expires }: Partial<Race>, chunk: ChunkRef): ChunkEnd | undefined {
  if (renews !== true) return undefined;
  return { released: [], ...(expires === true && isOdd(chunk) ? { notAfterMs: 0 } : {}) };
}

let opened: JournalProcesses;
beforeEach(() => {
  opened = journalProcesses();
});
afterEach(() => opened.end());

/** What came of a race, by what callers were told. */
interface Outcome {
  readonly storage: MemoryStorage;
  readonly answers: ReadonlyMap<string, ReadonlySet<string>>;
  readonly released: ReadonlySet<string>;
  readonly attempted: ReadonlySet<string>;
  readonly told: readonly JournalProcess['told'][];
  /** Codes of the probe of each process. */
  readonly probes: readonly string[];
}

async function persistently<T>(call: () => Promise<T>, attempts = 500): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      const { code } = error as { readonly code?: string };
      if (attempt >= attempts || (code !== 'FAULT_STORE_DOWN' && code !== 'FAULT_OVERLOADED')) {
        throw error;
      }
    }
  }
}

/** Processes that decide and give back chunks of the same devices, some of them the same chunks. */
async function run(
  race: Race,
  broken: (storage: JournalStorage) => JournalStorage = (storage) => storage,
): Promise<Outcome> {
  const random = seeded(race.seed);
  const pick = (count: number): number => Math.floor(random() * count);
  const storage = new MemoryStorage();
  const startOne = (): JournalProcess =>
    opened.start(broken(chaotic(storage, { ...race, random: seeded(pick(1e9)) })), {
      flushEntries: 400 + pick(1_200),
      random: seeded(pick(1e9)),
      graceMs: 0,
      endsOf: (chunks) => Promise.resolve(chunks.map((chunk) => endIn(race, chunk))),
      isHeld: (requests) => Promise.resolve(requests.map(() => false)),
    });
  const all: JournalProcess[] = [];
  const running = Array.from({ length: race.processes }, () => {
    const process = startOne();
    all.push(process);
    return process;
  });
  const answers = new Map<string, Set<string>>();
  const attempted = new Set<string>();
  const released = new Set<string>();
  const aDevice = (): Device => {
    const device = `d${String(pick(race.devices))}`;
    return pick(8) === 0 ? { device, key: `key of d${String(pick(race.devices))}` } : device;
  };
  const work = Array.from({ length: race.chunks }, (_, n): Decision => {
    const batch = Math.floor(n / 5);
    const devices = Array.from({ length: 1 + pick(24) }, aDevice);
    return aDecision(`batch ${String(batch)}`, devices, {
      chunkNumber: n % 5,
      firstIndex: (n % 5) * 256,
      orderId: orders[batch % orders.length] ?? '',
      profileName: profiles[pick(2)] ?? '',
    });
  });

  const decide = async (who: number, decision: Decision, isUrgent: boolean): Promise<void> => {
    const terms = termsOf(decision.orderId, race.renews === true && decision.orderId !== 'order-a');
    const verdict = await persistently(
      () => (running[who] as JournalProcess).journal.decide(decision, terms, isUrgent),
      race.attempts,
    );
    const id = chunkIdOf(decision.chunk);
    answers.set(id, (answers.get(id) ?? new Set()).add(Buffer.from(verdict).toString('hex')));
  };
  const release = async (who: number, { chunk, firstIndex, codes }: Decision): Promise<void> => {
    const isRevoked = pick(4) === 0;
    const isCompromised = pick(8) === 0;
    const indexes = [...codes.keys()].map((i) => firstIndex + i).filter(() => pick(2) === 0);
    const some = isRevoked ? indexes.slice(0, 1) : indexes;
    for (const index of some) attempted.add(`${chunkIdOf(chunk)}/${String(index)}`);
    await persistently(async () => {
      const { journal } = running[who] as JournalProcess;
      if (!isRevoked) await journal.giveBack(chunk, some);
      else if (some[0] !== undefined) {
        if (isCompromised) await journal.blockKey(chunk, some[0]);
        await journal.releaseClaim(chunk, some[0]);
      }
    }, race.attempts);
    for (const index of some) released.add(`${chunkIdOf(chunk)}/${String(index)}`);
  };
  const inTurn = async (decision: Decision): Promise<void> => {
    await turns(pick(race.chunks));
    const deciders = Array.from({ length: 1 + pick(3) }, () => pick(race.processes));
    await Promise.all(deciders.map((who) => decide(who, decision, pick(4) === 0)));
    if (pick(3) === 0) {
      const who = pick(race.processes);
      await Promise.all([release(who, decision), release(pick(race.processes), decision)]);
    }
    const who = pick(race.processes);
    if (pick(12) === 0)
      await persistently(() => (running[who] as JournalProcess).journal.snapshot(0), race.attempts);
    if (pick(20) === 0) {
      // As if it were killed: nobody waits for it any more, and it goes on for a while.
      const fresh = startOne();
      all.push(fresh);
      running[who] = fresh;
    }
  };
  await Promise.all(work.map(inTurn));

  const everyone = Array.from({ length: race.devices }, (_, n) => `d${String(n)}`).slice(0, 256);
  const probes: string[] = [];
  for (const [n, { journal }] of running.entries()) {
    const probe = aDecision(`probe ${String(n)}`, everyone, { orderId: 'probe' });
    const verdict = await persistently(() => journal.decide(probe, termsOf('probe'), true));
    probes.push(codesOf(verdict).join());
    for (const orderId of orders) {
      const reserved = await persistently(() => journal.reservedUnder(tenant, orderId));
      probes.push(`${orderId} ${String(reserved)}`);
    }
    const found = await persistently(() => journal.findByDevice(tenant, 'd1', 1_000));
    probes.push(JSON.stringify(found));
  }
  return { storage, answers, attempted, released, told: all.map(({ told }) => told), probes };
}

/** Every promise of the journal; throws where one is broken. */
function expectKept(
  outcome: Outcome,
  processes: number,
  race: Partial<Race> = {},
): ReferenceJournal {
  const endOf = (chunk: ChunkRef) => endIn(race, chunk);
  const reference = new ReferenceJournal(quotaOf, endOf).foldAll(outcome.storage, 0);
  expect(reference.violations).toEqual([]);
  for (const [id, verdicts] of outcome.answers) {
    expect([...verdicts]).toEqual([reference.verdicts.get(id)]);
  }
  for (const orderId of orders) {
    expect(reference.reserved.get(orderId) ?? 0).toBeLessThanOrEqual(quotaOf(orderId));
  }
  for (const request of reference.accepted) {
    const name = `${chunkIdOf(request.chunk)}/${String(request.index)}`;
    const holds = (reference.claims.get(request.claim) ?? []).includes(request);
    // A renewed certificate that is revoked takes those before it along.
    if (!outcome.attempted.has(name) && race.renews !== true) expect(holds).toBe(true);
    if (outcome.released.has(name)) expect(holds).toBe(false);
  }
  const perProcess = outcome.probes.length / processes;
  const first = outcome.probes.slice(0, perProcess);
  const found = reference.requestsOf('d1').map(({ chunk, index }) => ({ chunk, index }));
  expect(first.at(-1)).toBe(JSON.stringify(found));
  for (const [n, orderId] of orders.entries()) {
    expect(first[n + 1]).toBe(`${orderId} ${String(reference.reserved.get(orderId) ?? 0)}`);
  }
  for (let at = perProcess; at < outcome.probes.length; at += perProcess) {
    expect(outcome.probes.slice(at, at + perProcess)).toEqual(first);
  }
  return reference;
}

const hard: Race = {
  seed: 20261121,
  processes: 8,
  chunks: 300,
  devices: 400,
  maxTurns: 6,
  failures: 0.15,
};

describe('journals of several processes on one storage that fails', () => {
  test('8 of them decide thousands of requests as one would', async () => {
    const outcome = await run(hard);
    const reference = expectKept(outcome, hard.processes);
    // The race was one: all kinds of things happened.
    const sum = (of: (told: JournalProcess['told']) => number) =>
      outcome.told.reduce((total, told) => total + of(told), 0);
    expect(reference.accepted.length).toBeGreaterThan(300);
    expect(reference.verdicts.size).toBe(hard.chunks + hard.processes);
    expect(reference.reserved.get('order-a')).toBeGreaterThan(0);
    expect(sum(({ conflicts }) => conflicts)).toBeGreaterThan(50);
    expect(sum(({ ignored }) => ignored)).toBe(0);
    expect(outcome.storage.states.get(0)).toBeDefined();
    expect(outcome.told.flatMap(({ faults }) => faults)).toEqual([]);
  });

  test('renewals come and go, and the one before has the device again', async () => {
    const race = { ...hard, seed: 5, devices: 60, renews: true };
    const outcome = await run(race);
    const reference = expectKept(outcome, race.processes, race);
    const listed = [...reference.claims.values()];
    expect(listed.filter(({ length }) => length > 1).length).toBeGreaterThan(20);
    expect(outcome.released.size).toBeGreaterThan(50);
    expect(outcome.told.flatMap(({ faults }) => faults)).toEqual([]);
  });

  test('the claim of an expired certificate passes on, once, however many ask for it', async () => {
    const race = { ...hard, seed: 11, devices: 60, renews: true, expires: true };
    const outcome = await run(race);
    const reference = expectKept(outcome, race.processes, race);
    // Under the order that does not renew.
    const plain = reference.accepted.filter(({ orderId }) => orderId === 'order-a');
    const passedOn = plain.filter(({ claim, seq }) =>
      reference.accepted.some((one) => one.claim === claim && one.seq < seq && isOdd(one.chunk)),
    );
    expect(passedOn.length).toBeGreaterThan(10);
    expect(outcome.told.flatMap(({ faults }) => faults)).toEqual([]);
  });

  test('whatever the latencies, failures and numbers are', async () => {
    const race = fc.record({
      seed: fc.nat(),
      processes: fc.integer({ min: 1, max: 6 }),
      chunks: fc.integer({ min: 5, max: 60 }),
      devices: fc.integer({ min: 2, max: 200 }),
      maxTurns: fc.integer({ min: 1, max: 20 }),
      failures: fc.double({ min: 0, max: 0.4, noNaN: true }),
    });
    const keeps = fc.asyncProperty(race, async (one) => {
      expectKept(await run(one), one.processes);
    });
    await fc.assert(keeps, { numRuns: 25, seed: 20261121, endOnFailure: true });
  });
});

/** Defects of a storage, or of a journal that uses it, which the checks above must find. */
const defects: readonly (readonly [string, (storage: JournalStorage) => JournalStorage])[] = [
  [
    'an entry is overwritten',
    (storage) => ({
      ...storage,
      insert: async (shard, seq, entry) => {
        await storage.insert(shard, seq, entry);
        return 'inserted';
      },
    }),
  ],
  [
    'after a conflict the same entry is inserted at the next number, without a look at the other',
    (storage) => ({
      ...storage,
      insert: async (shard, seq, entry) => {
        for (let next = seq; (await storage.insert(shard, next, entry)) === 'exists';) next += 1;
        return 'inserted';
      },
    }),
  ],
  [
    'what failed is taken for inserted',
    (storage) => ({
      ...storage,
      insert: (...args) => storage.insert(...args).catch(() => 'inserted'),
    }),
  ],
  [
    'an entry is folded twice',
    (storage) => ({
      ...storage,
      read: async (...args) => {
        const entries = await storage.read(...args);
        return entries.flatMap((entry, i) => (i === 1 ? [entry, entry] : [entry]));
      },
    }),
  ],
  [
    'an entry is passed over',
    (storage) => ({
      ...storage,
      read: async (...args) => (await storage.read(...args)).filter((_, i) => i !== 1),
    }),
  ],
];

describe('the checks of a race', () => {
  const race: Race = { ...hard, processes: 4, chunks: 60, devices: 60, failures: 0.1 };

  /** How often a defect is looked for: which turns collide is not all in the seed. */
  const races = 20;

  test.each(defects)('find that %s', async (_name, broken) => {
    const check = async (seed: number): Promise<void> => {
      const outcome = await run({ ...race, seed, attempts: 30 }, broken);
      expectKept(outcome, race.processes);
      for (const { ignored, faults } of outcome.told) expect([ignored, faults]).toEqual([0, []]);
    };
    const isMissed = (seed: number): Promise<boolean> =>
      check(seed).then(
        () => true,
        () => false,
      );
    let missed = 0;
    while (missed < races && (await isMissed(race.seed + missed))) missed += 1;
    expect(missed).toBeLessThan(races);
  });

  test('find nothing where there is nothing', async () => {
    expectKept(await run(race), race.processes);
  });
});
