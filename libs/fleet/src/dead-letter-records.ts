import {
  causeOfDeadLetter,
  openKafkaAdmin,
  openKafkaLog,
  recordOfDeadLetter,
  type DeadLetterCause,
  type KafkaAdmin,
} from '@certmill/adapter-kafka';
import { openMongoStore } from '@certmill/adapter-mongo';
import { maxRecordBytes, CertmillError, type ChunkRef } from '@certmill/domain';
import { deadLetterTopicOf } from '@certmill/events';
import { chunkRefOfHeaders, retryDeadLetter } from '@certmill/pipeline';
import type { IssuanceStore } from '@certmill/platform';
import type { DeliveredRecord, EventRecord } from '@certmill/ports';
import type { FleetConfig } from './config/fleet-config.js';
import { withCacheDirectory } from './connections/cache-directory.js';
import { kafkaConnection } from './connections/open-log.js';
import { mongoConnection } from './connections/open-store.js';
import { readers } from './topics.js';

/**
 * Whose a record of a dead-letter topic is. `dead`: of a chunk that is counted as a dead letter, and its
 * only copy; `in-flight`: it names a chunk that has not ended and was not given up, as a forged record
 * may, or a genuine one where the keys of the hop were wrong; `ended`: its chunk has ended; `none`: of no
 * chunk of this store.
 */
export type RecordOwner = 'dead' | 'in-flight' | 'ended' | 'none';

export interface DeadLetterRecord extends Omit<DeadLetterCause, 'topic' | 'group'> {
  /** That it was in, and that it goes back to. */
  readonly topic: string;
  readonly place: string;
  readonly writtenAtMs: number;
  readonly bytes: number;
  /** What its headers say, sealed or not. */
  readonly chunk?: ChunkRef;
  readonly owner: RecordOwner;
}

export interface ListOptions {
  /** All topics where absent. */
  readonly topic?: string;
  /** Of one topic, the place after which the list begins. */
  readonly after?: string;
  readonly limit: number;
}

export interface DeadLetterList {
  readonly records: readonly DeadLetterRecord[];
  /** There are more: list them by the topic and the place of the last one. */
  readonly isCut: boolean;
}

/** `retried`: its chunk is in flight again; `appended`: whose it is, the next stage decides. */
export type RetryOutcome = 'retried' | 'ended' | 'appended';

/** The records of a fleet's dead-letter topics, beside its services or without them. */
export interface DeadLetterRecords extends AsyncDisposable {
  /** Faults: INVALID_INPUT, FAULT_BUS_DOWN, FAULT_STORE_DOWN. */
  list(options: ListOptions): Promise<DeadLetterList>;
  /**
   * Puts a record back into the topic that it was in, as it was. One of a counted dead letter goes the
   * way of `retryDeadLetter`, so that counters stay right. Faults: NOT_FOUND, CONFLICT where nothing of
   * it but headers is kept.
   */
  retry(topic: string, place: string): Promise<RetryOutcome>;
  /**
   * Deletes a record and all before it, which is all that Kafka can; resolves to how many. CONFLICT,
   * and nothing is deleted, where one of them is of a chunk that has not ended: it may be its only copy.
   */
  drop(topic: string, upTo: string): Promise<number>;
}

/** Chunks whose state the store is asked for at once. */
const askedAtOnce = 64;
const nobody = (): undefined => undefined;
const clock = { nowMs: () => Date.now() };

/** Faults: FAULT_STORE_DOWN, CONFIG_INVALID. */
export async function openDeadLetterRecords(config: FleetConfig): Promise<DeadLetterRecords> {
  const cache = await withCacheDirectory(config, 'dead-letters');
  try {
    const store = await openMongoStore({
      ...mongoConnection(config, 'certmill-dead-letters'),
      clock,
      cacheDirectory: cache.directory,
    });
    const admin = openKafkaAdmin(kafkaConnection(config, 'certmill-dead-letters'));
    return new Records(config, store, admin, async () => {
      await admin.stop(1_000);
      await store.stop(5_000);
      await cache.remove();
    });
  } catch (error) {
    await cache.remove();
    throw error;
  }
}

/** A topic that a stage reads, with its dead letters. */
interface Source {
  readonly topic: string;
  readonly deadLetters: string;
}

const sources: readonly Source[] = readers.flatMap(({ group, topics }) =>
  Object.values(topics).map((topic) => ({ topic, deadLetters: deadLetterTopicOf(topic, group) })),
);

/** By the name of either topic. */
function sourceOf(name: string): Source {
  const found = sources.find(({ topic, deadLetters }) => topic === name || deadLetters === name);
  if (found !== undefined) return found;
  const known = sources.map(({ topic }) => topic).join(', ');
  throw new CertmillError('INVALID_INPUT', `no stage reads that topic; these are read: ${known}`);
}

class Records implements DeadLetterRecords {
  readonly #config: FleetConfig;
  readonly #store: IssuanceStore;
  readonly #admin: KafkaAdmin;
  readonly #close: () => Promise<void>;

  constructor(
    config: FleetConfig,
    store: IssuanceStore,
    admin: KafkaAdmin,
    close: () => Promise<void>,
  ) {
    this.#config = config;
    this.#store = store;
    this.#admin = admin;
    this.#close = close;
  }

  async list({ topic, after, limit }: ListOptions): Promise<DeadLetterList> {
    const wanted = topic === undefined ? sources : [sourceOf(topic)];
    if (after !== undefined && topic === undefined) {
      throw new CertmillError('INVALID_INPUT', 'a place is one of a topic: name the topic too');
    }
    const found: Omit<DeadLetterRecord, 'owner'>[] = [];
    let isCut = false;
    for (const source of wanted) {
      await this.#admin.readAll(source.deadLetters, (record, writtenAtMs) => {
        if (after !== undefined && !isAfter(record.position, after)) return;
        // Not the value: of thousands of records that would be gigabytes.
        if (found.length < limit) found.push({ ...keptOf(source, record), writtenAtMs });
        else isCut = true;
      });
    }
    const records: DeadLetterRecord[] = [];
    for (let at = 0; at < found.length; at += askedAtOnce) {
      const asked = found.slice(at, at + askedAtOnce);
      const owners = await Promise.all(asked.map((kept) => this.#ownerOf(kept)));
      records.push(...asked.map((kept, i) => ({ ...kept, owner: owners[i] ?? 'none' })));
    }
    return { records, isCut };
  }

  async retry(topic: string, place: string): Promise<RetryOutcome> {
    const source = sourceOf(topic);
    const { kept, record } = await this.#find(source, place);
    const owner = await this.#ownerOf(kept);
    if (owner === 'ended') return 'ended';
    if (kept.cutBytes !== undefined) {
      throw new CertmillError('CONFLICT', `nothing but headers is kept of the record at ${place}`);
    }
    const log = await openKafkaLog({
      ...kafkaConnection(this.#config, 'certmill-dead-letters'),
      maxRecordBytes,
    });
    try {
      if (owner === 'dead' && kept.chunk !== undefined) {
        const ports = { stores: this.#store, log, clock, onPublished: nobody };
        return await retryDeadLetter(ports, kept.chunk);
      }
      await log.append(source.topic, record);
      return 'appended';
    } finally {
      await log.stop(5_000);
    }
  }

  async drop(topic: string, upTo: string): Promise<number> {
    const source = sourceOf(topic);
    const { kept: last } = await this.#find(source, upTo);
    const found: Kept[] = [];
    await this.#admin.readAll(source.deadLetters, (record) => {
      if (isUpTo(record.position, last.place)) found.push(keptOf(source, record));
    });
    for (const kept of found) {
      const owner = await this.#ownerOf(kept);
      if (owner !== 'dead' && owner !== 'in-flight') continue;
      const { batchId, chunkNumber } = kept.chunk ?? { batchId: '', chunkNumber: 0 };
      throw new CertmillError(
        'CONFLICT',
        `${kept.place} is of chunk ${String(chunkNumber)} of batch ${batchId}, which has not ended: ` +
          (owner === 'dead'
            ? `settle it first (certmill dead-letters list ${batchId})`
            : 'wait until it has, or retry the record if it is genuine'),
      );
    }
    return this.#admin.deleteUpTo(source.deadLetters, last.place);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }

  async #find({ topic, deadLetters }: Source, place: string) {
    const found = await this.#admin.readAt(deadLetters, place);
    if (found === undefined) {
      throw new CertmillError('NOT_FOUND', `there is no record at ${place} of ${deadLetters}`);
    }
    const record: EventRecord = recordOfDeadLetter(found);
    return { kept: keptOf({ topic }, found), record };
  }

  async #ownerOf({ chunk, code, topic, place }: Kept): Promise<RecordOwner> {
    if (chunk === undefined) return 'none';
    const state = await this.#store.chunkState(chunk);
    if (state === undefined) return 'none';
    if (state.ended) return 'ended';
    // A forged record is never counted, whatever chunk it names.
    if (code === 'FAULT_EVENT_FORGED') return 'in-flight';
    const letter = await this.#store.getDeadLetter(chunk);
    if (letter === undefined) return 'in-flight';
    return letter.topic === topic && letter.place === place ? 'dead' : 'in-flight';
  }
}

type Kept = Omit<DeadLetterRecord, 'owner' | 'writtenAtMs'>;

function keptOf({ topic }: Pick<Source, 'topic'>, record: DeliveredRecord): Kept {
  const { headers, position: place, value } = record;
  const { position, code, cause, cutBytes } = causeOfDeadLetter(record);
  const chunk = chunkRefOfHeaders(headers);
  return {
    topic,
    place,
    position,
    code,
    cause,
    ...(cutBytes === undefined ? {} : { cutBytes }),
    ...(chunk === undefined ? {} : { chunk }),
    bytes: value.length,
  };
}

function isUpTo(place: string, last: string): boolean {
  return partitionOf(place) === partitionOf(last) && offsetOf(place) <= offsetOf(last);
}

/** In the order in which the list has them: by partition, then by offset. */
function isAfter(place: string, after: string): boolean {
  const partitions = partitionOf(place) - partitionOf(after);
  return partitions > 0 || (partitions === 0 && offsetOf(place) > offsetOf(after));
}

function partitionOf(place: string): number {
  return Number(place.split(':')[0]);
}

function offsetOf(place: string): bigint {
  const offset = place.split(':')[1] ?? '';
  return /^\d{1,18}$/.test(offset) ? BigInt(offset) : -1n;
}
