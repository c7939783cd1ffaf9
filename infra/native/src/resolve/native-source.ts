import { join } from 'node:path';
import type { BrokerSettings } from '../kafka/broker-settings.js';
import { KafkaCluster } from '../kafka/kafka-cluster.js';
import { MongoStandIn } from '../mongo/mongo-stand-in.js';
import { RedisServer } from '../redis/redis-server.js';
import { SoftHsm } from '../soft-hsm/soft-hsm.js';
import type { ServerNeed, ServerPart, ServerSource } from './server-source.js';

export interface NativeSourceOptions {
  /** See makeRunFolder. */
  readonly folder: string;
  readonly brokers: 1 | 3;
  readonly brokerSettings: BrokerSettings;
  readonly mongoData: 'memory' | 'file';
  /** Labels of the tokens to make. They share one PIN. */
  readonly tokens: readonly string[];
}

async function openTokens(folder: string, labels: readonly string[]): Promise<ServerPart> {
  const hsm = await SoftHsm.open(folder);
  const [firstLabel, ...others] = labels;
  const environment: Record<string, string> = {
    ...hsm.environment,
    PKCS11_MODULE: hsm.moduleFile,
    SOFTHSM2_UTIL: hsm.utility,
    PKCS11_TOKEN_LABELS: labels.join(','),
  };
  if (firstLabel !== undefined) {
    const first = await hsm.createToken({ label: firstLabel });
    for (const label of others) await hsm.createToken({ label, pin: first.pin });
    environment['PKCS11_PIN_FILE'] = first.pinFile;
  }
  return { environment, stop: () => Promise.resolve() };
}

/** Processes of this machine, installed into the cache where they are not there. */
export function nativeSource(options: NativeSourceOptions): ServerSource {
  const { folder } = options;
  const start: Record<ServerNeed, () => Promise<ServerPart>> = {
    kafka: async () => {
      const { brokers, brokerSettings: settings } = options;
      const cluster = await KafkaCluster.start({ folder, brokers, settings });
      return {
        environment: { KAFKA_BROKERS: cluster.brokers.join(',') },
        stop: () => cluster.stop(),
      };
    },
    mongo: async () => {
      const store = await MongoStandIn.start({
        folder: join(folder, 'mongo'),
        data: options.mongoData,
        // Where a million certificates are kept, half a gigabyte is full of what it holds for its files.
        ...(options.mongoData === 'file' ? { heapMegabytes: 2_048 } : {}),
      });
      return { environment: { MONGODB_URI: store.uri }, stop: () => store.stop() };
    },
    redis: async () => {
      const redis = await RedisServer.start({ folder: join(folder, 'redis') });
      return { environment: { REDIS_URL: redis.url }, stop: () => redis.stop() };
    },
    softhsm: () => openTokens(join(folder, 'softhsm'), options.tokens),
  };
  return { origin: 'native', find: (need) => start[need]() };
}
