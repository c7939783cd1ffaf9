import type { DeliveredRecord, RecordHandler } from '@certmill/ports';
import { aRecord, group, idOf, idsOf, Logs, makeTopic, until } from '../kafka.fixture.js';

const logs = new Logs();

afterEach(() => logs.stop());

/** A handler that counts what it has seen. */
class Seen {
  readonly byId = new Map<string, number>();
  readonly partitions = new Set<string>();

  readonly handler: RecordHandler = (record: DeliveredRecord) => {
    this.byId.set(idOf(record), (this.byId.get(idOf(record)) ?? 0) + 1);
    this.partitions.add(record.position.split(':')[0] ?? '');
    return Promise.resolve();
  };
}

describe('two members of a group', () => {
  it('share the partitions, and one that stops hands its own over: nothing is lost or repeated', async () => {
    const topic = await makeTopic(4);
    const a = new Seen();
    const b = new Seen();
    const { log: logA } = await logs.open();
    const { log: logB } = await logs.open();
    await logA.subscribe({ topic, group, concurrency: 4, handler: a.handler });
    const second = await logB.subscribe({ topic, group, concurrency: 4, handler: b.handler });
    const append = (ids: readonly string[]) =>
      Promise.all(ids.map((id) => logA.append(topic, aRecord(id))));
    // Until both have their share; the rebalance may still be under way.
    let round = 0;
    await until('both have got something', async () => {
      await append(idsOf(20, `warm-${String(round++)}-`));
      return a.byId.size > 0 && b.byId.size > 0;
    });
    a.partitions.clear();
    b.partitions.clear();
    await append(idsOf(200, 'shared-'));
    await until('all are committed', async () => (await logA.lag(topic, group)) === 0);
    expect(a.partitions.size).toBe(2);
    expect(b.partitions.size).toBe(2);
    expect(new Set([...a.partitions, ...b.partitions]).size).toBe(4);
    await second.stop(5_000);
    const before = b.byId.size;
    await append(idsOf(200, 'alone-'));
    await until('all are committed', async () => (await logA.lag(topic, group)) === 0);
    expect(b.byId.size).toBe(before);
    const counts = idsOf(200, 'shared-').map((id) => (a.byId.get(id) ?? 0) + (b.byId.get(id) ?? 0));
    expect(counts).toEqual(counts.map(() => 1));
    expect(idsOf(200, 'alone-').every((id) => a.byId.get(id) === 1)).toBe(true);
  });

  it('that comes while the first has records in hand gets none of those that stay with it', async () => {
    const topic = await makeTopic(4);
    const { log: logA, notices } = await logs.open();
    const { log: logB } = await logs.open();
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const started: string[] = [];
    await logA.subscribe({
      topic,
      group,
      concurrency: 40,
      handler: async (record) => {
        started.push(idOf(record));
        await gate;
      },
    });
    const ids = idsOf(40);
    await Promise.all(ids.map((id) => logA.append(topic, aRecord(id))));
    await until('all are in hand', () => started.length === 40);
    const b = new Seen();
    await logB.subscribe({ topic, group, concurrency: 4, handler: b.handler });
    await until('the first has joined again', () => {
      return notices.filter(({ code }) => code === 'group-joined').length >= 2;
    });
    release();
    await until('all are committed', async () => (await logA.lag(topic, group)) === 0);
    // What went to the other member was done twice; what stayed was started once.
    expect(started).toHaveLength(40);
    expect(b.byId.size).toBeGreaterThan(0);
    expect(b.byId.size).toBeLessThan(40);
  });
});

describe('a consumer', () => {
  it('stays a member while a handler lasts longer than its session', async () => {
    const topic = await makeTopic(1);
    const { log, notices } = await logs.open();
    let handled = 0;
    let taken = 0;
    const until8s = performance.now() + 8_000;
    await log.subscribe({
      topic,
      group,
      concurrency: 1,
      handler: async () => {
        taken++;
        await until('8 s are over', () => performance.now() > until8s);
        handled++;
      },
    });
    await Promise.all(idsOf(5).map((id) => log.append(topic, aRecord(id))));
    await until('all are handled', async () => (await log.lag(topic, group)) === 0);
    expect({ handled, taken }).toEqual({ handled: 5, taken: 5 });
    expect(notices.filter(({ code }) => code !== 'group-joined')).toEqual([]);
  });

  it('joins again after its connections are cut, and loses nothing', async () => {
    const topic = await makeTopic(4);
    const { log, network } = await logs.open();
    const { log: writer } = await logs.open();
    const seen = new Seen();
    await log.subscribe({ topic, group, concurrency: 4, handler: seen.handler });
    await Promise.all(idsOf(50, 'before-').map((id) => writer.append(topic, aRecord(id))));
    await until('they are handled', () => seen.byId.size === 50);
    network.cut();
    await Promise.all(idsOf(50, 'meanwhile-').map((id) => writer.append(topic, aRecord(id))));
    network.restore();
    await until('they are handled', () => seen.byId.size === 100);
    await until('they are committed', async () => (await writer.lag(topic, group)) === 0);
  });

  it('of a topic that is not there says so in time, and does not bring the process down', async () => {
    const { log } = await logs.open({ joinTimeoutMs: 1_500 });
    const options = { topic: 'test.records.missing.v1', group, concurrency: 1 };
    await expect(
      log.subscribe({ ...options, handler: () => Promise.resolve() }),
    ).rejects.toMatchObject({ code: 'FAULT_BUS_DOWN' });
  });

  it('takes long and short partitions in turn', async () => {
    const topic = await makeTopic(2);
    const { log } = await logs.open();
    const keys = new Map<string, string>();
    const probe = await log.subscribe({
      topic,
      group,
      concurrency: 1,
      handler: (record) => {
        keys.set(record.position.split(':')[0] ?? '', record.key);
        return Promise.resolve();
      },
    });
    await Promise.all(idsOf(10).map((id) => log.append(topic, aRecord(id))));
    await until('there is a key of each partition', () => keys.size === 2);
    await probe.stop(1_000);
    const [long = '', short = ''] = keys.values();
    const appendAs = (key: string, ids: readonly string[]) =>
      Promise.all(ids.map((id) => log.append(topic, { ...aRecord(id), key })));
    await appendAs(long, idsOf(400, 'long-'));
    await appendAs(short, idsOf(4, 'short-'));
    const order: string[] = [];
    await log.subscribe({
      topic,
      group: 'certmill-fair',
      concurrency: 1,
      handler: (record) => {
        order.push(idOf(record));
        return Promise.resolve();
      },
    });
    await until('all are handled', () => order.length === 414);
    const last = Math.max(...order.flatMap((id, i) => (id.startsWith('short-') ? [i] : [])));
    // Some of the first ten are before them in their partition.
    expect(last).toBeLessThan(60);
  });
});
