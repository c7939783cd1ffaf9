import { AssignerProtocol, type Cluster } from 'kafkajs';
import { createKafka } from './create-kafka.js';
import { kafkaFault } from './kafka-fault.js';
import type { KafkaConnectionOptions } from './kafka-options.js';
import { within } from './within.js';

const closeTimeoutMs = 5_000;

/** A connection to the whole cluster, below what kafkajs' clients offer. Throws FAULT_BUS_DOWN with `failure`. */
export async function withCluster<T>(
  options: KafkaConnectionOptions,
  failure: string,
  act: (cluster: Cluster) => Promise<T>,
): Promise<T> {
  const cluster = clusterOf(options);
  try {
    await cluster.connect();
    return await act(cluster);
  } catch (error) {
    throw kafkaFault(failure, error);
  } finally {
    await within(closeTimeoutMs, cluster.disconnect());
  }
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
