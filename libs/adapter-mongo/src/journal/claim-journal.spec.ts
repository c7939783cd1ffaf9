import { decodeVerdict, encodeVerdict } from '@certmill/events';
import { aBatch } from '@certmill/ports/conformance';
import {
  aDecision,
  codesOf,
  decideCodes,
  journalProcesses,
  openOrder,
  tenant,
  type JournalProcess,
  type JournalProcesses,
} from './journal-process.fixture.js';
import type { ChunkEnd } from './claim-journal.js';
import { MemoryStorage } from './memory-storage.fixture.js';
import { shardOf } from './start-claim-journal.js';

let processes: JournalProcesses;
let storage: MemoryStorage;
let process: JournalProcess;
/** How the chunks of batches have ended, by the id of the batch. */
let ended: Map<string, ChunkEnd>;
/** Chunks whose ends were asked for, by call. */
let asked: number[];

beforeEach(() => {
  processes = journalProcesses();
  storage = new MemoryStorage();
  ended = new Map();
  asked = [];
  process = start();
});
afterEach(() => processes.end());

function start(): JournalProcess {
  return processes.start(storage, {
    endsOf: (chunks) => {
      asked.push(chunks.length);
      return Promise.resolve(chunks.map(({ batchId }) => ended.get(batchId)));
    },
    isHeld: (requests) => Promise.resolve(requests.map(() => false)),
  });
}

const accepted = undefined;
const twice = 'DUPLICATE_IN_BATCH';
const pending = 'DEVICE_REQUEST_PENDING';
const decide = (...args: Parameters<typeof aDecision>) => decideCodes(process, aDecision(...args));
const end = (batchName: string, how: Partial<ChunkEnd> = {}) =>
  ended.set(aBatch(tenant, batchName).batchId, { released: [], ...how });
const indexesOf = async (deviceId: string) =>
  (await process.journal.findByDevice(tenant, deviceId, 10)).map(({ index }) => index);

describe('a decision', () => {
  test('takes devices and keys; the verdict without changes is the draft', async () => {
    const decision = aDecision('b', ['a', 'b']);
    expect(await process.journal.decide(decision, openOrder, false)).toBe(decision.draft);
    expect(await process.journal.reservedUnder(tenant, 'order')).toBe(2);
  });

  test('is made once: the same chunk again gets the first verdict, from any process', async () => {
    const decision = aDecision('b', ['a']);
    const first = await process.journal.decide(decision, openOrder, false);
    const { draft } = aDecision('b', [{ device: 'a', key: 'another' }]);
    for (const one of [process, start()]) {
      const again = await one.journal.decide({ ...decision, draft }, openOrder, true);
      expect(Buffer.from(again)).toEqual(Buffer.from(first));
      expect(await one.journal.getVerdict(decision.chunk)).toEqual(new Uint8Array(first));
    }
    expect(await process.journal.reservedUnder(tenant, 'order')).toBe(1);
    expect(storage.calls.get('insert')).toBe(1);
  });

  test('of two calls for one chunk at once both get the same verdict', async () => {
    const decision = aDecision('b', ['a']);
    const { draft } = aDecision('b', [{ device: 'a', key: 'another' }]);
    const verdicts = await Promise.all([
      process.journal.decide(decision, openOrder, false),
      process.journal.decide({ ...decision, draft }, openOrder, false),
      start().journal.decide({ ...decision, draft }, openOrder, false),
    ]);
    for (const verdict of verdicts) expect(Buffer.compare(verdict, verdicts[0])).toBe(0);
    expect(await process.journal.reservedUnder(tenant, 'order')).toBe(1);
  });

  test('leaves what the draft rejects alone', async () => {
    const decision = aDecision('b', ['a', 'b']);
    const codes = [0, 9];
    const draft = encodeVerdict({ ...decodeVerdict(decision.draft), codes });
    await process.journal.decide({ ...decision, codes, draft }, openOrder, false);
    expect(await decide('c', ['a', 'b'])).toEqual([pending, accepted]);
    expect(await process.journal.reservedUnder(tenant, 'order')).toBe(2);
  });

  test('is refused where it is not what its draft says, and nothing is written', async () => {
    const decision = aDecision('b', ['a', 'b']);
    const refused = process.journal.decide({ ...decision, codes: [0, 1] }, openOrder, false);
    await expect(refused).rejects.toMatchObject({ code: 'FAULT_PROCESSING' });
    expect(storage.entries.size).toBe(0);
  });

  test('many at once share entries; each is judged after those before it', async () => {
    const verdicts = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        process.journal.decide(
          aDecision('b', [`a${String(n)}`, 'same'], { chunkNumber: n, firstIndex: n * 2 }),
          openOrder,
          false,
        ),
      ),
    );
    const codes = verdicts.map(codesOf);
    expect(codes[0]).toEqual([accepted, accepted]);
    for (const row of codes.slice(1)) expect(row).toEqual([accepted, twice]);
    expect(storage.entries.size).toBe(1);
  });
});

describe('a device', () => {
  test('that stands twice in a batch counts once, within a chunk and across', async () => {
    expect(await decide('b', ['a', { device: 'a', key: 'second' }, 'c'])).toEqual([
      accepted,
      twice,
      accepted,
    ]);
    expect(await decide('b', ['c', 'd'], { chunkNumber: 1, firstIndex: 3 })).toEqual([
      twice,
      accepted,
    ]);
  });

  test('is refused while its request is in flight, and once it is issued', async () => {
    await decide('b', ['a']);
    expect(await decide('c', ['a'])).toEqual([pending]);
    end('b');
    expect(await decide('d', ['a'])).toEqual(['DEVICE_ALREADY_ISSUED']);
  });

  test('of another batch in the same entry is in flight', async () => {
    const [first, second] = await Promise.all([decide('b', ['a']), decide('c', ['a'])]);
    expect(first).toEqual([accepted]);
    expect(second).toEqual([pending]);
    expect(storage.entries.size).toBe(1);
  });

  test('may hold a certificate of each profile, with one key', async () => {
    await decide('b', ['a']);
    expect(await decide('c', ['a'], { profileName: 'ldevid' })).toEqual([accepted]);
    expect(await decide('d', ['a'], { profileName: 'ldevid' })).toEqual([pending]);
  });

  test('without an id is known by its key', async () => {
    expect(await decide('b', [{ device: '', key: 'k' }])).toEqual([accepted]);
    expect(await decide('c', [{ device: '', key: 'k' }])).toEqual([pending]);
    expect(await decide('d', [{ device: '', key: 'l' }])).toEqual([accepted]);
  });

  test('is freed by revocation, once, and its key is not', async () => {
    const decision = aDecision('b', ['a', 'b']);
    await decideCodes(process, decision);
    await process.journal.releaseClaim(decision.chunk, 0);
    await process.journal.releaseClaim(decision.chunk, 0);
    expect(storage.entries.size).toBe(2);
    expect(await decide('c', [{ device: 'other', key: 'key of a' }])).toEqual(['KEY_IN_USE']);
    expect(await decide('d', ['a', 'b'])).toEqual([accepted, pending]);
    expect(await process.journal.reservedUnder(tenant, 'order')).toBe(3);
    await process.journal.releaseClaim(decision.chunk, 0);
    expect(await decide('e', ['a'])).toEqual([pending]);
  });
});

describe('a certificate that has expired', () => {
  const notAfterMs = 9_999_000;
  const late = { receivedAtMs: notAfterMs + 1_000 };

  test('whose claim passes on in the entry that was to release it leaves nobody waiting', async () => {
    const [toRead, toJudge] = [
      Promise.withResolvers<undefined>(),
      Promise.withResolvers<undefined>(),
    ];
    const read = storage.read.bind(storage);
    // The decision of what is to be released is read by itself.
    storage.read = async (shard, from, limit) => {
      if (limit === 1) await toRead.promise;
      return read(shard, from, limit);
    };
    process = processes.start(storage, {
      endsOf: async (chunks) => {
        await toJudge.promise;
        return chunks.map(({ batchId }) => ended.get(batchId));
      },
    });
    const soon = () => new Promise((resolve) => setTimeout(resolve, 50));
    await decide('b', ['a', 'x']);
    end('b', { notAfterMs });
    const released = process.journal.releaseClaim(aDecision('b', ['a']).chunk, 0);
    await soon();
    const first = decide('held up', ['x'], { receivedAtMs: notAfterMs });
    await soon();
    // Waits for the next entry, and the release behind it.
    const second = process.journal.decide(aDecision('c', ['a'], late), openOrder, true);
    toRead.resolve(undefined);
    await soon();
    toJudge.resolve(undefined);
    expect(await first).toEqual(['DEVICE_ALREADY_ISSUED']);
    expect(codesOf(await second)).toEqual([accepted]);
    await released;
    expect(storage.entries.size).toBe(3);
    expect(await decide('d', ['a'], late)).toEqual([pending]);
  });

  test('frees its device for one, who takes it for every process and for good', async () => {
    await decide('b', ['a']);
    end('b', { notAfterMs });
    const early = { receivedAtMs: notAfterMs + 999 };
    expect(await decide('early', ['a'], early)).toEqual(['DEVICE_ALREADY_ISSUED']);
    const second = aDecision('c', ['a'], late);
    expect(await decideCodes(process, second)).toEqual([accepted]);
    // What follows is the journal's alone: whoever folds it needs to know of no end and no time.
    ended.clear();
    const other = start();
    const verdict = await other.journal.decide({ ...second, receivedAtMs: 0 }, openOrder, true);
    expect(codesOf(verdict)).toEqual([accepted]);
    expect(await decideCodes(other, aDecision('d', ['a'], late))).toEqual([pending]);
    expect(await other.journal.reservedUnder(tenant, 'order')).toBe(2);
  });

  test('frees it for one of those that share an entry, and is taken by itself in no other', async () => {
    await decide('b', ['a', 'x']);
    end('b', { notAfterMs });
    const chunks = ['c', 'd', 'e'].map((name) => decide(name, ['a', 'x', 'a'], late));
    expect(await Promise.all(chunks)).toEqual([
      [accepted, accepted, twice],
      [pending, pending, pending],
      [pending, pending, pending],
    ]);
    expect(storage.entries.size).toBe(2);
  });

  test('does so for each chunk by its own time, in one entry too', async () => {
    await decide('b', ['a', 'x']);
    end('b', { notAfterMs });
    const [early, other] = await Promise.all([
      decide('c', ['a', 'x'], { receivedAtMs: notAfterMs }),
      decide('c', ['x', 'a'], { ...late, chunkNumber: 1, firstIndex: 2 }),
    ]);
    const issued = 'DEVICE_ALREADY_ISSUED';
    expect([early, other]).toEqual([
      [issued, issued],
      [accepted, accepted],
    ]);
    expect(storage.entries.size).toBe(2);
  });

  test('does not where the request has none: what it took is about to be given back', async () => {
    const first = aDecision('b', ['a', 'x'], { firstIndex: 4 });
    await decideCodes(process, first);
    end('b', { notAfterMs, released: [4] });
    expect(await decide('c', ['a', 'x'], late)).toEqual(['DEVICE_ALREADY_ISSUED', accepted]);
    await process.journal.giveBack(first.chunk, [4]);
    expect(await process.journal.reservedUnder(tenant, 'order')).toBe(2);
    expect(await decide('d', ['a'], late)).toEqual([accepted]);
  });

  test('costs a look for all that stand in the way of an entry, and none where nothing does', async () => {
    const names = Array.from({ length: 256 }, (_, n) => `device ${String(n)}`);
    const half = (from: number) => names.slice(from, from + 128);
    await Promise.all([decide('b', half(0)), decide('c', half(128))]);
    expect([asked, storage.calls.get('readHeads')]).toEqual([[], undefined]);
    end('b', { notAfterMs });
    end('c', { notAfterMs: notAfterMs + 1_000 });
    const codes = await decide('d', names, late);
    expect(codes.slice(0, 128)).toEqual(half(0).map(() => accepted));
    expect(codes.slice(128)).toEqual(half(0).map(() => 'DEVICE_ALREADY_ISSUED'));
    // Two chunks of holders, then the one that is still in the way.
    expect(asked).toEqual([2, 1]);
    expect(storage.calls.get('readHeads')).toBe(1);
  });
});

describe('a key', () => {
  test('is bound to its device; the detail names the own device only', async () => {
    await decide('b', [{ device: 'secret-device', key: 'k' }]);
    const decision = aDecision('c', [{ device: 'other-device', key: 'k' }]);
    const verdict = await process.journal.decide(decision, openOrder, false);
    expect(codesOf(verdict)).toEqual(['KEY_IN_USE']);
    const [detail = ''] = decodeVerdict(verdict).details;
    expect(detail).toContain('other-device');
    expect(detail).not.toContain('secret-device');
  });

  test('that stands twice in a batch counts once', async () => {
    const key = 'k';
    expect(await decide('b', [{ device: 'a', key }, 'x', { device: 'b', key }])).toEqual([
      accepted,
      accepted,
      twice,
    ]);
    const next = { chunkNumber: 1, firstIndex: 3 };
    expect(await decide('b', [{ device: 'c', key }], next)).toEqual([twice]);
    expect(await decide('c', [{ device: 'c', key }])).toEqual(['KEY_IN_USE']);
  });

  test('is free again when each request that was accepted with it was given back', async () => {
    const first = aDecision('b', [{ device: 'a', key: 'k' }]);
    const second = aDecision('c', [{ device: 'a', key: 'k' }], { profileName: 'ldevid' });
    for (const decision of [first, second]) await decideCodes(process, decision);
    await process.journal.giveBack(first.chunk, [0]);
    expect(await decide('d', [{ device: 'b', key: 'k' }])).toEqual(['KEY_IN_USE']);
    await process.journal.giveBack(first.chunk, [0]);
    expect(await decide('e', [{ device: 'b', key: 'k' }])).toEqual(['KEY_IN_USE']);
    await process.journal.giveBack(second.chunk, [0]);
    expect(await decide('f', [{ device: 'b', key: 'k' }])).toEqual([accepted]);
  });
});

describe('an order', () => {
  test('is used to the last, the lowest indexes first, over entries and within one', async () => {
    const order = { ...openOrder, quota: 5 };
    const decisions = [0, 1, 2].map((n) =>
      aDecision('b', [`a${String(n)}`, `b${String(n)}`], { chunkNumber: n, firstIndex: n * 2 }),
    );
    const codes = await Promise.all(decisions.map((one) => decideCodes(process, one, order)));
    expect(codes.flat()).toEqual([...Array<undefined>(5).fill(accepted), 'ORDER_QUOTA_EXCEEDED']);
    expect(await decideCodes(process, aDecision('c', ['x']), order)).toEqual([
      'ORDER_QUOTA_EXCEEDED',
    ]);
    expect(await process.journal.reservedUnder(tenant, 'order')).toBe(5);
  });

  test('that is closed or past its date lets nothing pass; a claim is told first', async () => {
    await decide('b', ['a']);
    const closed = { ...openOrder, isClosed: true };
    expect(await decideCodes(process, aDecision('c', ['a', 'x']), closed)).toEqual([
      pending,
      'ORDER_CLOSED',
    ]);
    const late = aDecision('d', ['x'], { nowMs: openOrder.expiresAtMs + 1 });
    expect(await decideCodes(process, late)).toEqual(['ORDER_CLOSED']);
    const onTime = aDecision('e', ['x'], { nowMs: openOrder.expiresAtMs });
    expect(await decideCodes(process, onTime)).toEqual([accepted]);
  });

  test('has quota of its own', async () => {
    const order = { ...openOrder, quota: 1 };
    await decideCodes(process, aDecision('b', ['a']), order);
    const other = aDecision('c', ['b'], { orderId: 'other' });
    expect(await decideCodes(process, other, order)).toEqual([accepted]);
    expect(await process.journal.reservedUnder(tenant, 'other')).toBe(1);
    expect(await process.journal.reservedUnder('stranger', 'other')).toBe(0);
  });

  test('lowered below what it gave lets nothing pass', async () => {
    await decide('b', ['a', 'b']);
    const lowered = { ...openOrder, quota: 1 };
    expect(await decideCodes(process, aDecision('c', ['x']), lowered)).toEqual([
      'ORDER_QUOTA_EXCEEDED',
    ]);
  });
});

describe('giving back', () => {
  test('returns device, key and quota of the named requests that were accepted, once', async () => {
    const order = { ...openOrder, quota: 3 };
    const decision = aDecision('b', ['a', 'b', 'c', 'd'], { firstIndex: 10 });
    await decideCodes(process, decision, order);
    const others = start();
    // 13 was not accepted, 99 is of another chunk.
    for (const one of [process, others, process]) {
      await one.journal.giveBack(decision.chunk, [10, 12, 13, 99]);
    }
    expect(storage.entries.size).toBe(2);
    expect(await process.journal.reservedUnder(tenant, 'order')).toBe(1);
    const again = aDecision('c', [
      { device: 'a', key: 'key of c' },
      'b',
      { device: 'c', key: 'new' },
    ]);
    expect(await decideCodes(others, again, order)).toEqual([accepted, pending, accepted]);
    await process.journal.giveBack(decision.chunk, [10, 12]);
    expect(await process.journal.reservedUnder(tenant, 'order')).toBe(3);
  });

  test('at once from many callers counts once', async () => {
    const decision = aDecision('b', ['a', 'b']);
    await decideCodes(process, decision);
    const all = [process, start(), start()].flatMap(({ journal }) =>
      [0, 1, 2].map(() => journal.giveBack(decision.chunk, [0])),
    );
    await Promise.all(all);
    expect(await process.journal.reservedUnder(tenant, 'order')).toBe(1);
  });

  test('is nothing for a chunk that was never decided', async () => {
    await process.journal.giveBack(aDecision('b', ['a']).chunk, [0]);
    await process.journal.releaseClaim(aDecision('b', ['a']).chunk, 0);
    expect(storage.entries.size).toBe(0);
  });
});

describe('requests', () => {
  test('are found by key and device, newest first, up to a limit, in every process', async () => {
    const profiles = ['one', 'two', 'three'];
    for (const [n, profileName] of profiles.entries()) {
      await decide(profileName, ['z', 'a'], { profileName, chunkNumber: n, firstIndex: n * 10 });
    }
    const { journal } = start();
    const { udids } = aDecision('b', ['a']);
    for (const found of [
      await journal.findByUdid(tenant, udids, 2),
      await journal.findByDevice(tenant, 'a', 2),
    ]) {
      expect(found).toEqual([
        { chunk: { tenant, batchId: aBatch(tenant, 'three').batchId, chunkNumber: 2 }, index: 21 },
        { chunk: { tenant, batchId: aBatch(tenant, 'two').batchId, chunkNumber: 1 }, index: 11 },
      ]);
    }
    expect(await journal.findByDevice(tenant, 'nobody', 2)).toEqual([]);
    expect(await journal.findByDevice('stranger', 'a', 2)).toEqual([]);
  });

  test('that were refused are not found; the second chunk of an entry is', async () => {
    const [, second] = await Promise.all([
      decide('b', ['a', 'x', 'y']),
      decide('c', ['a', 'b'], { firstIndex: 7 }),
    ]);
    expect(second).toEqual([pending, accepted]);
    expect(await indexesOf('a')).toEqual([0]);
    expect(await indexesOf('b')).toEqual([8]);
  });

  test('of other processes are seen by a look that begins after their decision', async () => {
    const other = start();
    expect(await other.journal.findByDevice(tenant, 'a', 1)).toEqual([]);
    await decide('b', ['a']);
    expect(await other.journal.findByDevice(tenant, 'a', 1)).toHaveLength(1);
    expect(await other.journal.reservedUnder(tenant, 'order')).toBe(1);
  });
});

describe('stopping', () => {
  test('answers what was asked before, and refuses what comes after', async () => {
    const deciding = decide('b', ['a']);
    const stopped = process.journal.stop(1_000);
    await expect(decide('c', ['b'])).rejects.toMatchObject({ code: 'FAULT_STOPPING' });
    expect(await deciding).toEqual([accepted]);
    await stopped;
    await expect(process.journal.reservedUnder(tenant, 'order')).rejects.toMatchObject({
      code: 'FAULT_STOPPING',
    });
  });

  test('refuses calls for shards that were never opened, and takes being stopped twice', async () => {
    const many = processes.start(storage, { shards: 16 });
    await many.journal.stop(0);
    await many.journal.stop(0);
    await expect(many.journal.reservedUnder(tenant, 'order')).rejects.toMatchObject({
      code: 'FAULT_STOPPING',
    });
    expect(storage.calls.size).toBe(0);
  });

  test('does not wait for a storage that hangs: whoever waits is told', async () => {
    const read = () => new Promise<never>(() => undefined);
    const hanging = processes.start(Object.assign(new MemoryStorage(), { read }));
    const calls = [
      hanging.journal.decide(aDecision('b', ['a']), openOrder, true),
      hanging.journal.reservedUnder(tenant, 'order'),
    ].map((call) => expect(call).rejects.toMatchObject({ code: 'FAULT_STOPPING' }));
    await new Promise((resolve) => setImmediate(resolve));
    await hanging.journal.stop(20);
    await Promise.all(calls);
  });
});

test('the shard of a tenant is what it always was', () => {
  expect(['acme', 'globex', 'initech'].map((name) => shardOf(name, 16))).toEqual([13, 13, 2]);
});
