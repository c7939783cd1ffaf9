import { rmSync } from 'node:fs';
import { Kafka, logLevel, type Admin, type Producer } from 'kafkajs';
import { makeRunFolder } from '../process/run-folder.js';
import { until } from '../process/until.js';
import { KafkaCluster } from './kafka-cluster.js';

const topic = 'test';
const failoverMs = 60_000;
let folder: string;
let cluster: KafkaCluster;
let admin: Admin;
let producer: Producer;

beforeAll(async () => {
  folder = await makeRunFolder();
  cluster = await KafkaCluster.start({ folder, brokers: 3 });
  const kafka = new Kafka({ brokers: [...cluster.brokers], logLevel: logLevel.NOTHING });
  admin = kafka.admin();
  producer = kafka.producer({ idempotent: true, retry: { retries: 20, maxRetryTime: 2_000 } });
  await Promise.all([admin.connect(), producer.connect()]);
  const configEntries = [{ name: 'min.insync.replicas', value: '2' }];
  const topics = [{ topic, numPartitions: 1, replicationFactor: 3, configEntries }];
  // kafkajs asks once who leads a partition that is being made: 'this server does not host it' ends its wait.
  await admin.createTopics({ topics, waitForLeaders: false });
  const hasLeader = async (): Promise<boolean> => (await cluster.leaderOf(topic, 0)) !== -1;
  expect(await until(hasLeader, failoverMs)).toBe(true);
});

afterAll(async () => {
  await Promise.all([admin.disconnect(), producer.disconnect()]);
  await cluster.stop();
  rmSync(folder, { recursive: true });
});

async function send(value: string): Promise<void> {
  await producer.send({ topic, acks: -1, messages: [{ value }] });
}

test('a leader that is killed is replaced, and comes back with its data', async () => {
  await send('before');
  const leader = await cluster.leaderOf(topic, 0);
  expect([1, 2, 3]).toContain(leader);
  await cluster.killBroker(leader);
  expect(cluster.runningBrokers).toHaveLength(2);

  const isReplaced = async (): Promise<boolean> =>
    ![leader, -1].includes(await cluster.leaderOf(topic, 0));
  expect(await until(isReplaced, failoverMs)).toBe(true);
  await send('meanwhile');

  await cluster.startBroker(leader);
  expect(cluster.runningBrokers).toEqual([1, 2, 3]);
  const isInSync = async (): Promise<boolean> => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0]?.partitions[0]?.isr.length === 3;
  };
  expect(await until(isInSync, failoverMs)).toBe(true);
  await send('after');
  expect(await admin.fetchTopicOffsets(topic)).toMatchObject([{ low: '0', high: '3' }]);
});

test('a broker that does not run cannot be killed', async () => {
  await expect(cluster.killBroker(4)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(cluster.leaderOf('absent', 0)).rejects.toThrow();
});
