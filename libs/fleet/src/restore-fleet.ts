import { openKafkaAdmin, openKafkaLog } from '@certmill/adapter-kafka';
import { beginStoreRestore, openMongoStore, type MongoStore } from '@certmill/adapter-mongo';
import {
  maxRecordBytes,
  chunkIdOf,
  inFlightOf,
  isCertmillError,
  type Batch,
  type ChunkRef,
  type Lane,
} from '@certmill/domain';
import { topics } from '@certmill/events';
import { chunkRefOfHeaders, type Hop } from '@certmill/pipeline';
import type { Clock, DeliveredRecord } from '@certmill/ports';
import { allOf } from './all-of.js';
import type { FleetConfig } from './config/fleet-config.js';
import { kafkaConnection } from './connections/open-log.js';
import { withCacheDirectory } from './connections/cache-directory.js';
import { mongoConnection } from './connections/open-store.js';
import { hopsOf } from './keys/hops-of.js';
import { assertInitialisedAndStopped } from './migrate/check-migration.js';
import { topicReaders } from './topics.js';

export interface RestoreReport {
  /** Batches whose upload was not whole. */
  readonly brokenOff: number;
  /** Chunks in flight whose record is kept: they go on. */
  readonly goingOn: number;
  /** Chunks in flight whose record is gone: they can be dropped. */
  readonly deadLetters: number;
  /** Records in the topics that no stage is given any more. */
  readonly passedOver: number;
}

const name = 'certmill-restored';
const lost = {
  code: 'FAULT_PROCESSING',
  detail: 'its record was lost when the store was restored: drop it',
  stage: 'validate',
  place: '',
} as const;

interface InFlight {
  readonly chunk: ChunkRef;
  readonly lane: Lane;
}

/**
 * Brings a fleet in line with a database that was restored to an earlier time: a new epoch; uploads that
 * were not whole then are broken off; what is in the topics is of a store that is no more, and is passed
 * over, but for records of chunks that this store has in flight: those are appended again, and chunks
 * without one are dead letters. While it has begun and not ended no service starts; it may be killed and
 * run again. All services MUST be stopped. Faults: CONFLICT, CONFIG_INVALID, FAULT_STORE_DOWN,
 * FAULT_BUS_DOWN, DATA_FORMAT_UNSUPPORTED.
 */
export async function restoreFleet(config: FleetConfig, clock: Clock): Promise<RestoreReport> {
  const hop = hopsOf(['received'], config, clock).received;
  await assertInitialisedAndStopped(config, name);
  const connection = mongoConnection(config, name);
  const restore = await beginStoreRestore({ ...connection, clock });
  const cache = await withCacheDirectory(config, 'restored');
  try {
    const store = await openMongoStore({
      ...connection,
      clock,
      cacheDirectory: cache.directory,
      isForChange: true,
    });
    try {
      const report = await bringInLine(store, hop, config, clock);
      await restore.end();
      return report;
    } finally {
      await store.stop(5_000);
    }
  } finally {
    await cache.remove();
  }
}

async function bringInLine(
  store: MongoStore,
  hop: Hop,
  config: FleetConfig,
  clock: Clock,
): Promise<RestoreReport> {
  let brokenOff = 0;
  const inFlight = new Map<string, InFlight>();
  for await (const batch of batchesOf(store)) {
    if (isUploading(batch)) {
      await store.breakOffBatch(batch.tenant, batch.batchId, clock.nowMs());
      brokenOff += 1;
    }
    if (inFlightOf(batch.counters) === 0) continue;
    for await (const chunk of chunksInFlight(store, batch)) {
      inFlight.set(chunkIdOf(chunk), { chunk, lane: batch.lane });
    }
  }
  const { passedOver, kept } = await passOverTopics(config, hop, inFlight);
  for (const [id, { chunk, lane }] of inFlight) {
    if (kept.has(id)) continue;
    await store.markDeadLettered(chunk, { ...lost, topic: topics.requestsReceived[lane] });
  }
  const deadLetters = inFlight.size - kept.size;
  return { brokenOff, goingOn: kept.size, deadLetters, passedOver };
}

/** Not whole: only its client knows the rest, and cannot send it to a store with another epoch. */
function isUploading(batch: Batch): boolean {
  const { cancelledAtMs, brokenOffAtMs, nextIndex, total } = batch;
  return cancelledAtMs === undefined && brokenOffAtMs === undefined && nextIndex !== total;
}

async function passOverTopics(
  config: FleetConfig,
  hop: Hop,
  inFlight: ReadonlyMap<string, InFlight>,
): Promise<{ readonly passedOver: number; readonly kept: ReadonlySet<string> }> {
  const kept = new Set<string>();
  let passedOver = 0;
  const connection = kafkaConnection(config, name);
  const admin = openKafkaAdmin(connection);
  const log = await openKafkaLog({ ...connection, maxRecordBytes });
  const received = new Set<string>(Object.values(topics.requestsReceived));
  const goOn = async (record: DeliveredRecord): Promise<void> => {
    const chunk = received.has(record.topic) ? chunkRefOfHeaders(record.headers) : undefined;
    const id = chunk && chunkIdOf(chunk);
    if (id === undefined || !inFlight.has(id) || kept.has(id) || !isGenuine(hop, record)) return;
    const { headers, key, value } = record;
    await log.append(record.topic, { headers, key, value });
    kept.add(id);
  };
  try {
    for (const { topic, groups } of topicReaders) {
      for (const group of groups) passedOver += await admin.passOver(topic, group, goOn);
    }
  } finally {
    await log.stop(5_000);
    await admin.stop(1_000);
  }
  return { passedOver, kept };
}

function isGenuine(hop: Hop, record: DeliveredRecord): boolean {
  try {
    hop.open(record);
    return true;
  } catch (error) {
    if (isCertmillError(error) && error.disposition === 'dead-letter') return false;
    throw error;
  }
}

async function* chunksInFlight(
  store: MongoStore,
  { tenant, batchId }: Batch,
): AsyncGenerator<ChunkRef> {
  for (let chunkNumber = 0; ; chunkNumber += 1) {
    const chunk = { tenant, batchId, chunkNumber };
    const state = await store.chunkState(chunk);
    if (state === undefined) return;
    if (!state.durable || state.ended) continue;
    const letter = await store.getDeadLetter(chunk);
    if (letter === undefined || letter.retriedAtMs !== undefined) yield chunk;
  }
}

async function* batchesOf(store: MongoStore): AsyncGenerator<Batch> {
  for await (const tenant of allOf((page) => store.listTenants(page))) {
    for await (const { orderId } of allOf((page) => store.listOrders(tenant, page))) {
      yield* allOf((page) => store.listBatches(tenant, orderId, page));
    }
  }
}
