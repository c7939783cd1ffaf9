import { openKafkaAdmin } from '@certmill/adapter-kafka';
import { openMongoStore } from '@certmill/adapter-mongo';
import type { IssuanceStore } from '@certmill/platform';
import { chunkIdOf, type SerialKey } from '@certmill/domain';
import { deadLetterTopicOf } from '@certmill/events';
import { chunkRefOfHeaders } from '@certmill/pipeline';
import { verifyStore, type ChunksInLog, type Issuer, type VerifiedStore } from '@certmill/trust';
import type { FleetConfig } from './config/fleet-config.js';
import { kafkaConnection } from './connections/open-log.js';
import { withCacheDirectory } from './connections/cache-directory.js';
import { mongoConnection } from './connections/open-store.js';
import { statusSealsFor } from './keys/status-seals.js';
import { openTrust } from './keys/trust-folder.js';
import { topicReaders } from './topics.js';

/** A fleet's store and log, opened beside its services or without them. */
export interface OpenedFleet extends AsyncDisposable {
  readonly store: IssuanceStore;
  readonly issuers: readonly Issuer[];
  readonly serialKeys: readonly SerialKey[];
  readonly config: FleetConfig;
}

/**
 * Opens what a check reads; changes nothing: what writers left is reckoned in, in memory. Faults:
 * FAULT_STORE_DOWN, CONFIG_INVALID; CONFLICT while the store is changed as a whole.
 * @param isForChange For whoever does that.
 */
export async function openFleetForReading(
  config: FleetConfig,
  { isForChange = false }: { readonly isForChange?: boolean } = {},
): Promise<OpenedFleet> {
  const {
    catalogue: { all: issuers },
    serialKeys,
  } = await openTrust(config);
  const cache = await withCacheDirectory(config, 'verify');
  try {
    const store = await openMongoStore({
      ...mongoConnection(config, 'certmill-verify'),
      clock: { nowMs: () => Date.now() },
      cacheDirectory: cache.directory,
      isForChange,
      isReadOnly: true,
      ...(config.hopKeys.status === undefined ? {} : { statusSeals: statusSealsFor(config) }),
    });
    return {
      store,
      issuers,
      serialKeys,
      config,
      async [Symbol.asyncDispose]() {
        await store.stop(5_000);
        await cache.remove();
      },
    };
  } catch (error) {
    await cache.remove();
    throw error;
  }
}

/**
 * `verifyStore` of @certmill/trust for a fleet: what it says of chunks in flight is right only while no
 * service works.
 */
export async function verifyFleet(
  { store, issuers, serialKeys, config }: OpenedFleet,
  onProgress: (certificates: number) => void,
): Promise<VerifiedStore> {
  const log = await readChunksInLog(config);
  return verifyStore({ store, issuers, serialKeys, log }, onProgress);
}

async function readChunksInLog(config: FleetConfig): Promise<ChunksInLog> {
  const admin = openKafkaAdmin(kafkaConnection(config, 'certmill-verify'));
  const pending = new Set<string>();
  const deadLetters = new Set<string>();
  try {
    for (const { topic, groups } of topicReaders) {
      for (const group of groups) {
        await admin.readUncommitted(topic, group, ({ headers }) => {
          const chunk = chunkRefOfHeaders(headers);
          if (chunk !== undefined) pending.add(chunkIdOf(chunk));
        });
        await admin.readAll(deadLetterTopicOf(topic, group), ({ headers }) => {
          const chunk = chunkRefOfHeaders(headers);
          if (chunk !== undefined) deadLetters.add(chunkIdOf(chunk));
        });
      }
    }
  } finally {
    await admin.stop(1_000);
  }
  return { pending, deadLetters, damages: [] };
}
