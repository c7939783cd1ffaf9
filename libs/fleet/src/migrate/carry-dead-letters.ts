import { readLog } from '@certmill/adapter-embedded';
import { openKafkaLog, type KafkaEventLog } from '@certmill/adapter-kafka';
import {
  maxRecordBytes,
  CertmillError,
  chunkIdOf,
  isCertmillError,
  type ChunkRef,
  type FaultCode,
} from '@certmill/domain';
import { deadLetterTopicOf, groups, topics } from '@certmill/events';
import { chunkRefOfHeaders, createHops, hopKeysOf, type Hop } from '@certmill/pipeline';
import type { DeadLetter, DeliveredRecord, EventRecord } from '@certmill/ports';
import type { FleetConfig } from '../config/fleet-config.js';
import { kafkaConnection } from '../connections/open-log.js';
import { hopsOf } from '../keys/hops-of.js';
import type { MigrationSource } from './migration-source.js';

/** Where the record of each dead letter is kept, by the id of its chunk. */
export type KeptLetters = ReadonlyMap<string, string>;

const group = groups.validate;
const clock = { nowMs: () => Date.now() };

/** Calls back with each record of the folder's dead-letter logs whose chunk is wanted, once each. */
async function eachRecord(
  source: MigrationSource,
  wanted: ReadonlySet<string>,
  onRecord: (topic: string, record: EventRecord, chunkId: string) => Promise<void>,
): Promise<void> {
  const seen = new Set<string>();
  for (const topic of Object.values(topics.requestsReceived)) {
    const from = {
      directory: source.logDirectory,
      topic: deadLetterTopicOf(topic, group),
    };
    for await (const { record } of readLog(from)) {
      const chunk = record && chunkRefOfHeaders(record.headers);
      const id = chunk && chunkIdOf(chunk);
      if (record === undefined || id === undefined || !wanted.has(id) || seen.has(id)) continue;
      if (opened(source, topic, record) === undefined) continue;
      seen.add(id);
      await onRecord(topic, record, id);
    }
  }
  const lost = [...wanted].filter((id) => !seen.has(id));
  if (lost.length === 0) return;
  throw new CertmillError(
    'CONFLICT',
    `the records of ${String(lost.length)} dead letters are lost: drop them first (certmill dead-letters drop): ${lost.slice(0, 5).join(', ')}`,
  );
}

/** Whether the record of each dead letter is kept. Faults: CONFLICT. */
export async function assertLettersKept(
  source: MigrationSource,
  letters: readonly DeadLetter[],
): Promise<void> {
  const wanted = new Set(letters.map(({ chunk }) => chunkIdOf(chunk)));
  await eachRecord(source, wanted, () => Promise.resolve());
}

/**
 * Puts the records of dead letters into the fleet's dead-letter topics, sealed with the fleet's keys,
 * so that each can be retried. One that is there twice does no harm. Faults: CONFLICT where one is lost.
 */
export async function carryDeadLetters(
  source: MigrationSource,
  config: FleetConfig,
  letters: readonly DeadLetter[],
): Promise<KeptLetters> {
  const kept = new Map<string, string>();
  if (letters.length === 0) return kept;
  const hop = hopsOf(['received'], config, clock).received;
  const causes = new Map(letters.map((letter) => [chunkIdOf(letter.chunk), letter]));
  const log = await openKafkaLog({
    ...kafkaConnection(config, 'certmill-migrate'),
    maxRecordBytes,
  });
  try {
    await eachRecord(source, new Set(causes.keys()), async (topic, record, id) => {
      kept.set(id, await keep(log, sealedAgain(source, hop, topic, record), causes.get(id)));
    });
  } finally {
    await log.stop(1_000);
  }
  return kept;
}

function keep(
  log: KafkaEventLog,
  record: DeliveredRecord,
  letter: DeadLetter | undefined,
): Promise<string> {
  const cause = new CertmillError(
    (letter?.code ?? 'FAULT_PROCESSING') as FaultCode,
    letter?.detail ?? '',
  );
  return log.keepDeadLetter(record, group, cause);
}

function sealedAgain(
  source: MigrationSource,
  hop: Hop,
  topic: string,
  record: EventRecord,
): DeliveredRecord {
  const attributes = opened(source, topic, record);
  if (attributes === undefined) throw new CertmillError('FAULT_EVENT_FORGED', 'a forged record');
  const [, sealed] = hop.seal(attributes, record.value, record.headers['traceparent']);
  return { ...sealed, topic, position: 'migrated' };
}

/** What its seal binds; undefined where the folder did not make it. */
function opened(source: MigrationSource, topic: string, record: EventRecord) {
  const hop = createHops(hopKeysOf(source.hopSecret), clock).received;
  try {
    return hop.open({ ...record, topic, position: '' });
  } catch (error) {
    if (isCertmillError(error) && error.disposition === 'dead-letter') return undefined;
    throw error;
  }
}

/** All that wait, of all batches. */
export async function deadLettersOf({ store }: MigrationSource): Promise<readonly DeadLetter[]> {
  const letters: DeadLetter[] = [];
  const read = store.readOut();
  let after = 0;
  for (;;) {
    const batches = await read.batches(after, 500);
    for (const { seq, batch } of batches) {
      after = seq;
      if (batch.counters.deadLettered === 0) continue;
      letters.push(...(await lettersOf(store, batch)));
    }
    if (batches.length === 0) return letters;
  }
}

async function lettersOf(
  store: MigrationSource['store'],
  { tenant, batchId }: Pick<ChunkRef, 'tenant' | 'batchId'>,
): Promise<readonly DeadLetter[]> {
  const letters: DeadLetter[] = [];
  let cursor: string | undefined;
  do {
    const page = { limit: 500, ...(cursor === undefined ? {} : { cursor }) };
    const { items, next } = await store.listDeadLetters(tenant, batchId, page);
    letters.push(...items);
    cursor = next;
  } while (cursor !== undefined);
  return letters;
}
