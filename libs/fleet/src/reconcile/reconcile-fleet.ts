import { openKafkaAdmin } from '@certmill/adapter-kafka';
import { openMongoStore, type MongoStore } from '@certmill/adapter-mongo';
import { chunkIdOf } from '@certmill/domain';
import { chunkRefOfHeaders } from '@certmill/pipeline';
import type { Clock } from '@certmill/ports';
import type { FleetConfig } from '../config/fleet-config.js';
import { kafkaConnection } from '../connections/open-log.js';
import { mongoConnection, withCacheDirectory } from '../connections/open-store.js';
import { fleetLag } from '../fleet-lag.js';
import { topicReaders } from '../topics.js';
import {
  assertNothingWaits,
  countDeadLettered,
  markStranded,
  type StrandedChunk,
} from './mark-stranded.js';

export interface ReconcileOptions {
  readonly olderThanMs: number;
  /** Only tells. */
  readonly dryRun: boolean;
}

/** `markStranded` for a fleet. Faults: FAULT_BUS_DOWN, FAULT_STORE_DOWN, CONFIG_INVALID. */
export function reconcileFleet(
  config: FleetConfig,
  clock: Clock,
  { olderThanMs, dryRun }: ReconcileOptions,
): Promise<readonly StrandedChunk[]> {
  const beforeMs = clock.nowMs() - olderThanMs;
  return withStore(config, clock, (store) =>
    markStranded({ store, beforeMs, dryRun, readPending: () => readPending(config) }),
  );
}

/**
 * Refuses, CONFLICT, to drop a hop key while records may still be under its seal: every stage must have
 * committed all, and no dead letter may be left.
 */
export async function assertKeyUnused(config: FleetConfig, clock: Clock): Promise<void> {
  const lags = await fleetLag(config);
  const deadLettered = await withStore(config, clock, countDeadLettered);
  assertNothingWaits(
    lags.reduce((sum, { lag }) => sum + lag, 0),
    deadLettered,
  );
}

async function withStore<T>(
  config: FleetConfig,
  clock: Clock,
  work: (store: MongoStore) => Promise<T>,
): Promise<T> {
  const cache = await withCacheDirectory(config, 'reconcile');
  try {
    const connection = mongoConnection(config, 'certmill-reconcile');
    const store = await openMongoStore({ ...connection, clock, cacheDirectory: cache.directory });
    try {
      return await work(store);
    } finally {
      await store.stop(5_000);
    }
  } finally {
    await cache.remove();
  }
}

/** In the order of the stages: see `markStranded`. */
async function readPending(config: FleetConfig): Promise<ReadonlySet<string>> {
  const admin = openKafkaAdmin(kafkaConnection(config, 'certmill-reconcile'));
  const pending = new Set<string>();
  try {
    for (const { topic, groups } of topicReaders) {
      for (const group of groups) {
        await admin.readUncommitted(topic, group, ({ headers }) => {
          const chunk = chunkRefOfHeaders(headers);
          if (chunk !== undefined) pending.add(chunkIdOf(chunk));
        });
      }
    }
  } finally {
    await admin.stop(1_000);
  }
  return pending;
}
