import { AssignerProtocol, type Cluster } from 'kafkajs';
import { createKafka, openPlainSocket } from './create-kafka.js';
import { isOfKafka, kafkaFault, kafkaRefusal } from './kafka-fault.js';
import type { KafkaConnectionOptions } from './kafka-options.js';
import { Sockets } from './sockets.js';
import { within } from './within.js';

const closeTimeoutMs = 5_000;

/**
 * A connection to the whole cluster, below what kafkajs' clients offer. Throws FAULT_BUS_DOWN with `failure`
 * for what the brokers or their connections say, CONFIG_INVALID where brokers and client do not accept each
 * other, and what else `act` throws as it is.
 */
export async function withCluster<T>(
  options: KafkaConnectionOptions,
  failure: string,
  act: (cluster: Cluster) => Promise<T>,
): Promise<T> {
  const sockets = new Sockets(options.openSocket ?? openPlainSocket);
  const cluster = clusterOf({ ...options, openSocket: sockets.open });
  try {
    await cluster.connect();
    return await act(cluster);
  } catch (error) {
    if (!isOfKafka(error)) throw error;
    throw kafkaRefusal(failure, error) ?? kafkaFault(failure, error);
  } finally {
    await within(closeTimeoutMs, cluster.disconnect());
    sockets.close();
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
