import { differencesOf, type FoundTopic, type TopicSpec } from './cluster-spec.js';
import { consumedOf, eachTopic } from './delete-consumed.js';
import { lagOf, type PartitionOffsets } from './group-lag.js';
import { LagCache } from './lag-cache.js';

const spec: TopicSpec = {
  topic: 't',
  partitions: 6,
  replicationFactor: 3,
  configs: { 'min.insync.replicas': '2' },
};

function found(overrides: Partial<FoundTopic> = {}): FoundTopic {
  const configs = new Map([['min.insync.replicas', '2']]);
  return { partitions: 6, replicas: 3, configs, ...overrides };
}

function at(partition: number, low: number, high: number, committed: number): PartitionOffsets {
  return { partition, low, high, committed };
}

describe('a topic', () => {
  it.each([
    ['as it should be', found(), []],
    ['with more partitions', found({ partitions: 9 }), []],
    [
      'with fewer partitions',
      found({ partitions: 5 }),
      ['the topic t has partitions: 5, and should have at least 6'],
    ],
    [
      'with fewer replicas',
      found({ replicas: 1 }),
      ['the topic t has replicas: 1, and should have 3'],
    ],
    [
      'without a setting',
      found({ configs: new Map() }),
      ['the topic t has min.insync.replicas unset, and should have 2'],
    ],
    ['that is not there', undefined, ['the topic t is missing']],
  ])('%s', (_what, is, differences) => {
    expect(differencesOf(spec, is)).toEqual(differences);
  });
});

describe('what is consumed', () => {
  it('is what the slowest group has committed, by partition', () => {
    const fast = [at(0, 0, 100, 90), at(1, 10, 50, 50), at(2, 0, 5, 5)];
    const slow = [at(0, 0, 100, 30), at(1, 10, 50, 50), at(2, 0, 5, -1)];
    expect(consumedOf([fast, slow])).toEqual([
      { partition: 0, from: 0, until: 30 },
      { partition: 1, from: 10, until: 50 },
    ]);
  });

  it('is nothing where a group has committed nothing, or less than is deleted', () => {
    expect(consumedOf([[at(0, 0, 9, 9)], [at(0, 0, 9, -1)]])).toEqual([]);
    expect(consumedOf([[at(0, 7, 9, 3)]])).toEqual([]);
  });
});

it('the lag counts what is there and not committed', () => {
  expect(lagOf([at(0, 0, 10, 4), at(1, 5, 10, -1), at(2, 5, 10, 3), at(3, 0, 0, -1)])).toBe(16);
});

describe('a cached lag', () => {
  it('is told again for a while, by topic and group', async () => {
    let now = 0;
    const asked: string[] = [];
    const cache = new LagCache(
      1_000,
      (topic, group) => Promise.resolve(asked.push(`${topic} ${group}`)),
      () => now,
    );
    expect(await cache.lag('t', 'g')).toBe(1);
    now = 999;
    expect(await cache.lag('t', 'g')).toBe(1);
    expect(await cache.lag('t', 'h')).toBe(2);
    now = 1_000;
    expect(await cache.lag('t', 'g')).toBe(3);
    expect(asked).toEqual(['t g', 't h', 't g']);
  });

  it('is not kept where it could not be read', async () => {
    let tries = 0;
    const cache = new LagCache(1_000, () => {
      tries++;
      return tries === 1 ? Promise.reject(new Error('away')) : Promise.resolve(7);
    });
    await expect(cache.lag('t', 'g')).rejects.toThrow('away');
    expect(await cache.lag('t', 'g')).toBe(7);
  });
});

describe('what is done to each topic', () => {
  it('is done to all, and says the first failure at the end', async () => {
    const done: string[] = [];
    const act = (topic: string): Promise<number> => {
      done.push(topic);
      return topic.startsWith('bad') ? Promise.reject(new Error(topic)) : Promise.resolve(2);
    };
    await expect(eachTopic(['a', 'bad 1', 'b', 'bad 2', 'c'], act)).rejects.toThrow('bad 1');
    expect(done).toEqual(['a', 'bad 1', 'b', 'bad 2', 'c']);
    expect(await eachTopic(['a', 'b'], act)).toBe(4);
  });
});
