import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { openKafkaAdmin, openKafkaLog, type KafkaEventLog } from '@certmill/adapter-kafka';
import { KafkaCluster, makeRunFolder } from '@certmill/native';
import type { EventRecord } from '@certmill/ports';

const topic = 'test.records.made.v1';
const group = 'certmill-test';
/** A broker that starts beside two others on busy cores takes a minute. */
const patienceMs = 180_000;
const testTimeoutMs = 600_000;

let folder: string;
let cluster: KafkaCluster;
const logs: KafkaEventLog[] = [];
/** One that goes on after a failed test would spin on a log that takes nothing. */
const writers: Writer[] = [];

async function start(brokers: 1 | 3): Promise<void> {
  folder = await makeRunFolder();
  cluster = await KafkaCluster.start({ brokers, folder });
  const admin = openKafkaAdmin({ brokers: cluster.brokers, clientId: 'certmill-test' });
  const configs = { 'min.insync.replicas': brokers === 3 ? '2' : '1' };
  const { differences } = await admin.ensureTopics({
    topics: [{ topic, partitions: 6, replicationFactor: brokers, configs }],
  });
  await admin.stop(0);
  expect(differences).toEqual([]);
}

afterEach(async () => {
  for (const writer of writers.splice(0)) writer.abort();
  await Promise.all(logs.splice(0).map((log) => log.stop(0)));
  await cluster.stop();
  await rm(folder, { recursive: true, force: true });
});

async function open(): Promise<KafkaEventLog> {
  const log = await openKafkaLog({
    brokers: cluster.brokers,
    clientId: 'certmill-test',
    sessionTimeoutMs: 6_000,
    appendTimeoutMs: patienceMs,
    lagCacheMs: 100,
  });
  logs.push(log);
  return log;
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + patienceMs;
  // A broker that is away is no answer yet.
  while (!(await Promise.resolve(holds()).catch(() => false))) {
    assert.ok(Date.now() < deadline, `in vain: ${what}`);
    await sleep(20);
  }
}

/** Appends until it is told to stop; what was acknowledged, and what was not. */
class Writer {
  readonly acknowledged: string[] = [];
  readonly failed: string[] = [];
  readonly #log: KafkaEventLog;
  readonly #stop = new AbortController();
  readonly #done: Promise<unknown>;
  #next = 0;

  constructor(log: KafkaEventLog, atOnce = 8) {
    this.#log = log;
    writers.push(this);
    this.#done = Promise.all(Array.from({ length: atOnce }, () => this.#write()));
  }

  abort(): void {
    this.#stop.abort();
  }

  async stop(): Promise<void> {
    this.abort();
    await this.#done;
  }

  async #write(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const id = String(this.#next++);
      const record: EventRecord = { headers: { ce_id: id }, key: id, value: Buffer.alloc(2_000) };
      await this.#log.append(topic, record).then(
        () => this.acknowledged.push(id),
        (error: unknown) => this.failed.push(String(error)),
      );
    }
  }
}

/** Two consumers in one group, and what both have seen. */
async function consume(): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let i = 0; i < 2; i++) {
    const log = await open();
    await log.subscribe({
      topic,
      group,
      concurrency: 8,
      handler: (record) => {
        seen.add(record.headers['ce_id'] ?? '');
        return Promise.resolve();
      },
    });
  }
  return seen;
}

async function expectNothingLost(writer: Writer, seen: ReadonlySet<string>): Promise<void> {
  const log = await open();
  await until('all is committed', async () => (await log.lag(topic, group)) === 0);
  expect(writer.failed).toEqual([]);
  expect(writer.acknowledged.filter((id) => !seen.has(id))).toEqual([]);
}

it(
  'a broker that is killed and started again: every append and each consumer go on',
  async () => {
    await start(1);
    const seen = await consume();
    const writer = new Writer(await open());
    await until('records come through', () => seen.size > 500);
    await cluster.killBroker(1);
    const before = writer.acknowledged.length;
    await sleep(3_000);
    expect(writer.acknowledged.length).toBeLessThan(before + 50);
    await cluster.startBroker(1);
    await until('appends come through again', () => writer.acknowledged.length > before + 500);
    await writer.stop();
    await expectNothingLost(writer, seen);
  },
  testTimeoutMs,
);

it(
  'three brokers of which leaders are killed, one after the other: nothing is lost',
  async () => {
    await start(3);
    const seen = await consume();
    const writer = new Writer(await open());
    for (let round = 0; round < 2; round++) {
      const { size } = seen;
      await until('records come through', () => seen.size > size + 500);
      const leader = await cluster.leaderOf(topic, 0);
      await cluster.killBroker(leader);
      const { length } = writer.acknowledged;
      await until('two brokers take records', () => writer.acknowledged.length > length + 1_000);
      await cluster.startBroker(leader);
    }
    await writer.stop();
    await expectNothingLost(writer, seen);
  },
  testTimeoutMs,
);

it(
  'three brokers that are stopped and started one after the other: nothing is lost',
  async () => {
    await start(3);
    const writer = new Writer(await open(), 64);
    for (const broker of [1, 2, 3]) {
      const { length } = writer.acknowledged;
      await until('records are taken', () => writer.acknowledged.length > length + 2_000);
      await cluster.stopBroker(broker);
      const stopped = writer.acknowledged.length;
      await until('two brokers take records', () => writer.acknowledged.length > stopped + 2_000);
      await cluster.startBroker(broker);
    }
    await writer.stop();
    const kept = new Set<string>();
    const admin = openKafkaAdmin({ brokers: cluster.brokers, clientId: 'certmill-test' });
    await admin.readAll(topic, ({ headers }) => kept.add(headers['ce_id'] ?? ''));
    await admin.stop(0);
    expect(writer.failed).toEqual([]);
    expect(writer.acknowledged.filter((id) => !kept.has(id))).toEqual([]);
  },
  testTimeoutMs,
);

it(
  'a leader that hangs while the others answer: what was sent to it goes to its successor',
  async () => {
    await start(3);
    const log = await open();
    // Before it hangs, so that the connections are there.
    await log.append(topic, { headers: {}, key: 'first', value: Buffer.alloc(1) });
    const leader = await cluster.leaderOf(topic, 0);
    await cluster.pauseBroker(leader);
    // One request to each broker: the keys go to all partitions.
    const ids = Array.from({ length: 60 }, (_, i) => String(i));
    const append = (id: string): Promise<void> =>
      log.append(topic, { headers: { ce_id: id }, key: id, value: Buffer.alloc(100) });
    await Promise.all(ids.map(append));
    cluster.resumeBroker(leader);
    const seen = await consume();
    await until('all is committed', async () => (await log.lag(topic, group)) === 0);
    expect(ids.filter((id) => !seen.has(id))).toEqual([]);
  },
  testTimeoutMs,
);
