import { openKafkaAdmin } from '@certmill/adapter-kafka';
import { checkCollections, initCollections, openMongoStore } from '@certmill/adapter-mongo';
import { openFirstTenant, type FirstCredential } from '@certmill/platform';
import type { Clock } from '@certmill/ports';
import type { FleetConfig } from './config/fleet-config.js';
import { kafkaConnection } from './connections/open-log.js';
import { withCacheDirectory } from './connections/cache-directory.js';
import { mongoConnection } from './connections/open-store.js';
import { clusterSpec } from './topics.js';

export interface InitReport {
  readonly createdTopics: readonly string[];
  /** Topics that have more partitions now. */
  readonly grownTopics: readonly string[];
  /** What the store lacked and has now. */
  readonly madeInStore: readonly string[];
  /** What is there and not as it should be; nothing of it was changed. */
  readonly differences: readonly string[];
  readonly warnings: readonly string[];
  /** Told only here, and only once: the caller MUST show it. */
  readonly firstCredential?: FirstCredential;
}

/**
 * Makes the topics and collections of a fleet and its first credential, each where it is not there yet:
 * run it as often as you like, beside a running fleet too. Faults: FAULT_BUS_DOWN, FAULT_STORE_DOWN,
 * CONFIG_INVALID.
 */
export async function initFleet(config: FleetConfig, clock: Clock): Promise<InitReport> {
  const topics = await makeTopics(config);
  const connection = mongoConnection(config, 'certmill-init');
  const lacked = await checkCollections(connection);
  await initCollections(connection);
  const differences = await checkCollections(connection);
  const cache = await withCacheDirectory(config, 'init');
  try {
    const store = await openMongoStore({ ...connection, clock, cacheDirectory: cache.directory });
    try {
      const firstCredential = await openFirstTenant(store, clock);
      return {
        createdTopics: topics.created,
        grownTopics: topics.grown,
        madeInStore: lacked.filter((line) => !differences.includes(line)),
        differences: [...topics.differences, ...differences],
        warnings: topics.warnings,
        ...(firstCredential === undefined ? {} : { firstCredential }),
      };
    } finally {
      await store.stop(5_000);
    }
  } finally {
    await cache.remove();
  }
}

async function makeTopics(config: FleetConfig) {
  const admin = openKafkaAdmin(kafkaConnection(config, 'certmill-init'));
  try {
    return await admin.ensureTopics(clusterSpec(config));
  } finally {
    await admin.stop(1_000);
  }
}
