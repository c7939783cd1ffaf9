import type { DeliveredRecord } from '@certmill/ports';
import { AssignerProtocol, type Cluster, type KafkaMessage } from 'kafkajs';
import { createKafka } from '../client/create-kafka.js';
import { isOutOfRange, isUnknownTopic, kafkaFault } from '../client/kafka-fault.js';
import type { KafkaConnectionOptions } from '../client/kafka-options.js';
import { recordOf, type Place } from '../client/record-codec.js';
import { within } from '../client/within.js';

const closeTimeoutMs = 5_000;

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
  const cluster = clusterOf(options);
  try {
    await cluster.connect();
    const message = await fetchOne(cluster, topic, place);
    return message && recordOf(topic, place.partition, message);
  } catch (error) {
    if (isOutOfRange(error) || isUnknownTopic(error)) return undefined;
    throw kafkaFault(`a record of ${topic} cannot be read`, error);
  } finally {
    await within(closeTimeoutMs, cluster.disconnect());
  }
}

async function fetchOne(
  cluster: Cluster,
  topic: string,
  { partition, offset }: Place,
): Promise<KafkaMessage | undefined> {
  await cluster.addTargetTopic(topic);
  const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]));
  if (nodeId === undefined) return undefined;
  const broker = await cluster.findBroker({ nodeId });
  const answer = (await broker.fetch({
    isolationLevel: 1,
    maxWaitTime: 0,
    minBytes: 0,
    // The batch with the record comes whole, whatever it has.
    maxBytes: 1,
    topics: [{ topic, partitions: [{ partition, fetchOffset: offset, maxBytes: 1 }] }],
    rackId: '',
  })) as FetchAnswer;
  const messages = answer.responses[0]?.partitions[0]?.messages ?? [];
  return messages.find((message) => message.offset === offset);
}

/** kafkajs shows its cluster, which can fetch, to assigners of partitions only: this one assigns none. */
function clusterOf(options: KafkaConnectionOptions): Cluster {
  const shown: Cluster[] = [];
  createKafka(options).consumer({
    groupId: `${options.clientId}.reader`,
    allowAutoTopicCreation: false,
    partitionAssigners: [
      ({ cluster }) => {
        shown.push(cluster);
        return {
          name: 'none',
          version: 0,
          assign: () => Promise.resolve([]),
          protocol: ({ topics }) => ({
            name: 'none',
            metadata: AssignerProtocol.MemberMetadata.encode({
              version: 0,
              topics,
              userData: Buffer.alloc(0),
            }),
          }),
        };
      },
    ],
  });
  const [cluster] = shown;
  if (cluster !== undefined) return cluster;
  throw kafkaFault('kafkajs shows no cluster', undefined);
}
