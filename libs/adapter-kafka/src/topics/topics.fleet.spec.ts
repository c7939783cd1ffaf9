import { deadLetterTopicOf } from '@certmill/events';
import type { KafkaAdmin } from './open-kafka-admin.js';
import { openKafkaAdmin } from './open-kafka-admin.js';
import {
  aRecord,
  connection,
  group,
  idOf,
  idsOf,
  Logs,
  makeTopic,
  newTopic,
  specOf,
  until,
} from '../kafka.fixture.js';

const logs = new Logs();
let admin: KafkaAdmin;

beforeEach(() => {
  admin = openKafkaAdmin(connection());
});

afterEach(async () => {
  await admin.stop(0);
  await logs.stop();
});

describe('topics', () => {
  it('are made once, also by several at once, and are then as they should be', async () => {
    const spec = specOf([newTopic(), newTopic()], 3);
    const [missing] = (await admin.checkTopics(spec)).differences;
    expect(missing).toBe(`the topic ${spec.topics[0]?.topic ?? ''} is missing`);
    const other = openKafkaAdmin(connection());
    const both = await Promise.all([admin.ensureTopics(spec), other.ensureTopics(spec)]);
    await other.stop(0);
    // Nobody makes what another one has made; one whose answer was lost is told as made by nobody.
    const created = both.flatMap((report) => report.created);
    expect(new Set(created).size).toBe(created.length);
    expect(both.flatMap(({ differences }) => differences)).toEqual([]);
    expect(await admin.checkTopics(spec)).toEqual({ differences: [], warnings: [] });
    expect(await admin.ensureTopics(spec)).toEqual({
      created: [],
      grown: [],
      differences: [],
      warnings: [],
    });
  });

  it('get more partitions, and keep their settings: what differs is told', async () => {
    const spec = specOf([newTopic()], 2);
    await admin.ensureTopics(spec);
    const [topic] = spec.topics;
    expect(topic).toBeDefined();
    const wanted = {
      topics: [
        {
          ...topic!,
          partitions: 5,
          replicationFactor: 3,
          configs: { ...topic!.configs, 'max.message.bytes': '1000' },
        },
      ],
    };
    const report = await admin.ensureTopics(wanted);
    expect(report).toMatchObject({ created: [], grown: [topic!.topic] });
    expect(report.differences).toEqual([
      `the topic ${topic!.topic} has replicas: 1, and should have 3`,
      `the topic ${topic!.topic} has max.message.bytes 4194304, and should have 1000`,
    ]);
    // More than are asked for are no difference.
    expect((await admin.checkTopics(spec)).differences).toEqual([]);
  });

  it('are looked after by brokers that keep offsets long enough', async () => {
    const { warnings } = await admin.checkTopics({
      topics: [],
      minOffsetsRetentionMinutes: 10 * 365 * 24 * 60,
    });
    expect(warnings).toEqual([expect.stringContaining('offsets.retention.minutes')]);
  });

  it('of a cluster that cannot be reached cannot be checked', async () => {
    const away = openKafkaAdmin({ ...connection(), brokers: ['127.0.0.1:1'] });
    await expect(away.checkTopics({ topics: [] })).rejects.toMatchObject({
      code: 'FAULT_BUS_DOWN',
    });
    await away.stop(0);
  });
});

describe('deleting what is consumed', () => {
  it('goes up to the slowest group, and nowhere while one has committed nothing', async () => {
    const topic = await makeTopic(2, [group]);
    const { log } = await logs.open();
    const groups = ['certmill-fast', 'certmill-slow'];
    await Promise.all(idsOf(100).map((id) => log.append(topic, aRecord(id))));
    const consume = async (as: string, count: number): Promise<void> => {
      const seen = new Set<string>();
      const subscription = await log.subscribe({
        topic,
        group: as,
        concurrency: 1,
        handler: async (record) => {
          if (seen.size >= count) await new Promise(() => undefined);
          seen.add(idOf(record));
        },
      });
      await until(`${as} has ${String(count)}`, () => seen.size === count);
      await subscription.stop(50);
    };
    await consume('certmill-fast', 100);
    expect(await admin.deleteConsumed([{ topic, groups }])).toBe(0);
    await consume('certmill-slow', 40);
    const deleted = await admin.deleteConsumed([{ topic, groups }]);
    expect(deleted).toBe(40);
    expect(await admin.deleteConsumed([{ topic, groups }])).toBe(0);
    await until('the lag is known', async () => (await log.lag(topic, 'certmill-slow')) === 60);
    // A group that is new begins with what is left.
    const left = new Set<string>();
    await log.subscribe({
      topic,
      group: 'certmill-new',
      concurrency: 1,
      handler: (record) => {
        left.add(idOf(record));
        return Promise.resolve();
      },
    });
    await until('all of them are read', async () => (await log.lag(topic, 'certmill-new')) === 0);
    expect(left.size).toBe(60);
  });

  it('is refused for a topic that nobody reads', async () => {
    const topic = await makeTopic(1);
    await expect(admin.deleteConsumed([{ topic, groups: [] }])).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
  });
});

it('the state of a group says how far it is', async () => {
  const topic = await makeTopic(2);
  const { log } = await logs.open();
  await Promise.all(idsOf(10).map((id) => log.append(topic, aRecord(id))));
  const readers = [{ topic, groups: [group] }];
  expect(await admin.describeLag(readers)).toMatchObject([{ lag: 10, members: 0, partitions: 2 }]);
  await log.subscribe({ topic, group, concurrency: 1, handler: () => Promise.resolve() });
  await until('it is through', async () => (await admin.describeLag(readers))[0]?.lag === 0);
  expect(await admin.describeLag(readers)).toEqual([
    { topic, group, lag: 0, worstLag: 0, partitions: 2, members: 1, state: 'Stable' },
  ]);
});

it('a dead letter is found at its place, in whichever partition, and nowhere else', async () => {
  const topic = await makeTopic(4);
  const { log } = await logs.open();
  const places = new Map<string, string>();
  await log.subscribe({
    topic,
    group,
    concurrency: 4,
    handler: () => Promise.reject(new TypeError('a defect')),
    onDeadLetter: (record, _cause, place) => {
      places.set(idOf(record), place);
      return Promise.resolve();
    },
  });
  await Promise.all(idsOf(12).map((id) => log.append(topic, aRecord(id, 20_000))));
  await until('all are dead letters', () => places.size === 12);
  for (const [id, place] of places) {
    const record = await log.readDeadLetter(topic, group, place);
    expect(record).toEqual({ ...aRecord(id, 20_000), headers: { ce_id: id } });
  }
  expect(new Set([...places.values()].map((place) => place.split(':')[0])).size).toBe(2);
  for (const place of ['7:0', '0:999', 'nonsense', '']) {
    expect(await log.readDeadLetter(topic, group, place)).toBeUndefined();
  }
  expect(await log.readDeadLetter(topic, 'certmill-none', '0:0')).toBeUndefined();
  expect(deadLetterTopicOf(topic, group)).toContain('.dlq');
});

describe('a group', () => {
  it('is removed with its offsets once nobody is a member of it, and may be gone already', async () => {
    const topic = await makeTopic(1);
    const { log } = await logs.open();
    await log.append(topic, aRecord('a'));
    const handler = (): Promise<void> => Promise.resolve();
    const subscription = await log.subscribe({ topic, group, concurrency: 1, handler });
    await until('all is committed', async () => (await log.lag(topic, group)) === 0);
    await admin.deleteGroup(topic, group);
    expect(await admin.describeLag([{ topic, groups: [group] }])).toMatchObject([{ lag: 0 }]);
    await subscription.stop(1_000);
    await admin.deleteGroup(topic, group);
    expect(await admin.describeLag([{ topic, groups: [group] }])).toMatchObject([{ lag: 1 }]);
    await admin.deleteGroup(topic, group);
  });
});
