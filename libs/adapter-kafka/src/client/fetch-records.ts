import { CertmillError } from '@certmill/domain';
import type { DeliveredRecord } from '@certmill/ports';
import type { Cluster, KafkaMessage } from 'kafkajs';
import { isOutOfRange, isUnknownTopic } from './kafka-fault.js';
import type { KafkaConnectionOptions } from './kafka-options.js';
import { recordOf, type Place } from './record-codec.js';
import { withCluster } from './with-cluster.js';

/** What a broker answers to a fetch, as far as it is read here. */
interface FetchAnswer {
  readonly responses: readonly {
    readonly partitions: readonly { readonly messages: readonly KafkaMessage[] }[];
  }[];
}

/**
 * Reads one record at its place, without a consumer group: joining one takes seconds and leaves it
 * behind. Undefined where there is none. Throws FAULT_BUS_DOWN.
 */
export async function readRecord(
  options: KafkaConnectionOptions,
  topic: string,
  place: Place,
): Promise<DeliveredRecord | undefined> {
  const { partition, offset } = place;
  return withCluster(options, `records of ${topic} cannot be read`, async (cluster) => {
    try {
      // The batch with the record comes whole, whatever it has.
      const messages = await fetchFrom(cluster, topic, place, 1);
      const message = messages.find((each) => each.offset === offset);
      return message && recordOf(topic, partition, message);
    } catch (error) {
      if (isOutOfRange(error) || isUnknownTopic(error)) return undefined;
      throw error;
    }
  });
}

/** Records of a partition, from an offset up to, and without, another. */
export interface RecordRange {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/** Takes a record, and when it was written, in milliseconds: so its producer or the broker says. */
export type RecordReader = (record: DeliveredRecord, writtenAtMs: number) => unknown;

const rangeFetchBytes = 8 * 1024 * 1024;

/**
 * Reads ranges of a topic in order, as `readRecord`; what is deleted of them meanwhile is left out.
 * Waits for what `onRecord` promises.
 * Throws FAULT_BUS_DOWN, also where the brokers bring nothing of what they must have.
 */
export async function readRanges(
  options: KafkaConnectionOptions,
  topic: string,
  ranges: readonly RecordRange[],
  onRecord: RecordReader,
): Promise<void> {
  await withCluster(options, `records of ${topic} cannot be read`, async (cluster) => {
    const source: RangeSource = {
      fetch: (partition, offset) =>
        fetchFrom(cluster, topic, { partition, offset: String(offset) }, rangeFetchBytes),
      lowOf: (partition) => lowOffsetOf(cluster, topic, partition),
    };
    for (const range of ranges) {
      await readRange(source, range, (message) =>
        onRecord(recordOf(topic, range.partition, message), Number(message.timestamp)),
      );
    }
  });
}

/** What a range is read from. */
export interface RangeSource {
  fetch(partition: number, offset: number): Promise<readonly KafkaMessage[]>;
  /** The first offset that is kept. */
  lowOf(partition: number): Promise<number>;
}

export async function readRange(
  source: RangeSource,
  { partition, from, to }: RecordRange,
  onMessage: (message: KafkaMessage) => unknown,
): Promise<void> {
  for (let next = from; next < to;) {
    const messages = await fetchOrNothing(source, partition, next);
    let after = next;
    for (const message of messages) {
      const offset = Number(message.offset);
      // A batch comes whole: what of it is before the range was asked for before.
      if (offset < next) continue;
      after = offset + 1;
      if (offset < to) await onMessage(message);
    }
    if (after === next) {
      const low = await source.lowOf(partition);
      if (low <= next) {
        throw new CertmillError('FAULT_BUS_DOWN', `partition ${partition} ends before its end`);
      }
      after = low;
    }
    next = after;
  }
}

/** Nothing where the offset is not kept any more. */
async function fetchOrNothing(
  source: RangeSource,
  partition: number,
  offset: number,
): Promise<readonly KafkaMessage[]> {
  try {
    return await source.fetch(partition, offset);
  } catch (error) {
    if (isOutOfRange(error)) return [];
    throw error;
  }
}

async function lowOffsetOf(cluster: Cluster, topic: string, partition: number): Promise<number> {
  const [found] = await cluster.fetchTopicsOffset([
    { topic, partitions: [{ partition }], fromBeginning: true },
  ]);
  return Number(found?.partitions[0]?.offset ?? -1);
}

async function fetchFrom(
  cluster: Cluster,
  topic: string,
  { partition, offset }: Place,
  maxBytes: number,
): Promise<readonly KafkaMessage[]> {
  await cluster.addTargetTopic(topic);
  const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
  if (nodeId === undefined) return [];
  const broker = await cluster.findBroker({ nodeId });
  const answer = (await broker.fetch({
    isolationLevel: 1,
    maxWaitTime: 0,
    minBytes: 0,
    maxBytes,
    topics: [{ topic, partitions: [{ partition, fetchOffset: offset, maxBytes }] }],
    rackId: '',
  })) as FetchAnswer;
  return answer.responses[0]?.partitions[0]?.messages ?? [];
}
