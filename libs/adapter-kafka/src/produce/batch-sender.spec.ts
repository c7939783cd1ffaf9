import {
  Partitioners,
  type Kafka,
  type Message,
  type ProducerConfig,
  type ProducerRecord,
  type RecordMetadata,
} from 'kafkajs';
import { BatchSender } from './batch-sender.js';

const topic = 'test.records.made.v1';
const partitions = 3;
const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => {
  return { partitionId, leader: 1, partitionErrorCode: 0, replicas: [1], isr: [1] };
});

function partitionOf(key: string): number {
  const message = { key, value: null };
  return Partitioners.DefaultPartitioner()({ topic, partitionMetadata, message });
}

/** Stores as a cluster does, and answers as kafkajs: what fails of a request fails all of its answer. */
class ScriptedCluster {
  readonly stored: { readonly key: string; readonly partition: number }[] = [];
  readonly unwritable = new Set<number>();
  /** kafkajs does not know them, and sends nothing there. */
  readonly unknown = new Set<number>();
  retries: number | undefined;
  answersAfterMs = 0;
  /** Requests of partition 1 alone that are under way, and the most of them at once. */
  alone = 0;
  mostAlone = 0;

  readonly kafka = {
    producer: (config: ProducerConfig) => {
      this.retries = config.retry?.retries;
      const choose = config.createPartitioner?.();
      return {
        connect: () => Promise.resolve(),
        disconnect: () => Promise.resolve(),
        send: ({ messages }: ProducerRecord) => {
          const chosen = messages.map((message) => {
            return { message, partition: choose?.({ topic, partitionMetadata, message }) ?? 0 };
          });
          const isAlone = chosen.every(({ partition }) => partition === 1);
          if (isAlone) this.mostAlone = Math.max(this.mostAlone, ++this.alone);
          return new Promise<RecordMetadata[]>((resolve, reject) => {
            setTimeout(() => {
              if (isAlone) this.alone--;
              this.#store(chosen, resolve, reject);
            }, this.answersAfterMs);
          });
        },
      };
    },
  } as unknown as Kafka;

  #store(
    chosen: readonly { readonly message: Message; readonly partition: number }[],
    resolve: (answer: RecordMetadata[]) => void,
    reject: (error: Error) => void,
  ): void {
    const answer: RecordMetadata[] = [];
    let hasFailed = false;
    for (const [partition, records] of Map.groupBy(chosen, (each) => each.partition)) {
      hasFailed ||= this.unwritable.has(partition);
      if (this.unwritable.has(partition) || this.unknown.has(partition)) continue;
      const baseOffset = String(this.stored.filter((each) => each.partition === partition).length);
      for (const { message } of records) this.stored.push({ key: String(message.key), partition });
      answer.push({ topicName: topic, partition, errorCode: 0, baseOffset });
    }
    const refused = Object.assign(new Error('refused'), { type: 'NOT_ENOUGH_REPLICAS' });
    if (hasFailed) reject(refused);
    else resolve(answer);
  }

  placesOf(key: string): string[] {
    const at = [0, 0, 0];
    return this.stored.flatMap((each) => {
      const offset = at[each.partition]!++;
      return each.key === key ? [`${String(each.partition)}:${String(offset)}`] : [];
    });
  }
}

const keys = Array.from({ length: 30 }, (_, i) => `k${String(i)}`);

function aSender() {
  const cluster = new ScriptedCluster();
  const sender = new BatchSender({
    kafka: cluster.kafka,
    maxBatchBytes: 1_000,
    requestTimeoutMs: 1_000,
    policy: { firstMs: 1, maxMs: 4, maxAttempts: 3, random: () => 0.5 },
  });
  const acknowledged = new Map<string, string | undefined>();
  const send = (key: string): void => {
    sender.send({
      topic,
      partition: undefined,
      record: { headers: {}, key, value: Buffer.alloc(1) },
      bytes: 100,
      isAlone: false,
      resolve: (place) => acknowledged.set(key, place),
      reject: (fault) => {
        throw fault;
      },
    });
  };
  return { cluster, send, acknowledged };
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`in vain: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

describe('a batch sender', () => {
  it('tells the place of every record, whatever partitions a batch goes to', async () => {
    const { cluster, send, acknowledged } = aSender();
    for (const key of keys) send(key);
    await until(() => acknowledged.size === keys.length);
    for (const key of keys) expect(cluster.placesOf(key)).toEqual([acknowledged.get(key)]);
    expect(new Set(cluster.stored.map(({ partition }) => partition)).size).toBe(partitions);
    // kafkajs would acknowledge what has moved to a broker that has answered before.
    expect(cluster.retries).toBe(0);
  });

  it.each([
    ['when its topic is known', true],
    ['from the beginning', false],
  ])('goes on with other partitions while one takes nothing, %s', async (_when, isKnown) => {
    const { cluster, send, acknowledged } = aSender();
    if (isKnown) {
      send('first');
      await until(() => acknowledged.size === 1);
    }
    cluster.unwritable.add(1);
    for (const key of keys) send(key);
    const writable = keys.filter((key) => partitionOf(key) !== 1);
    expect(writable.length).toBeLessThan(keys.length);
    await until(() => writable.every((key) => acknowledged.has(key)));
    cluster.unwritable.clear();
    await until(() => keys.every((key) => acknowledged.has(key)));
    for (const [key, place] of acknowledged) expect(cluster.placesOf(key)).toContain(place);
    // Once with those that failed, and once by themselves: not again with every try.
    for (const key of keys) expect(cluster.placesOf(key).length).toBeLessThanOrEqual(2);
  });

  it('asks a partition that takes nothing by one request at a time, whatever failed with it', async () => {
    const { cluster, send, acknowledged } = aSender();
    send('first');
    await until(() => acknowledged.size === 1);
    cluster.unwritable.add(1);
    // Three requests are under way with records of all partitions; pauses are shorter than answers.
    cluster.answersAfterMs = 15;
    for (const key of keys) send(key);
    await new Promise((resolve) => setTimeout(resolve, 250));
    const { mostAlone } = cluster;
    // A sender that never succeeds would go on for ever.
    cluster.unwritable.clear();
    await until(() => keys.every((key) => acknowledged.has(key)));
    expect(mostAlone).toBe(1);
  });

  it('sends again what the answer says nothing of', async () => {
    const { cluster, send, acknowledged } = aSender();
    cluster.unknown.add(2);
    for (const key of keys) send(key);
    await until(() => acknowledged.size > 0 && cluster.stored.length > 10);
    expect([...acknowledged.keys()].filter((key) => cluster.placesOf(key).length === 0)).toEqual(
      [],
    );
    cluster.unknown.clear();
    await until(() => acknowledged.size === keys.length);
    for (const key of keys) expect(cluster.placesOf(key)).toEqual([acknowledged.get(key)]);
  });
});
