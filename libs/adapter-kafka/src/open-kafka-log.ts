import { CertmillError, defaultRetryPolicy, type RetryPolicy } from '@certmill/domain';
import { deadLetterTopicOf } from '@certmill/events';
import type {
  DeliveredRecord,
  EventLog,
  EventRecord,
  Stoppable,
  SubscribeOptions,
  Subscription,
} from '@certmill/ports';
import { AdminCalls } from './client/admin-calls.js';
import { createKafka, openPlainSocket } from './client/create-kafka.js';
import { kafkaFault } from './client/kafka-fault.js';
import type { KafkaConnectionOptions } from './client/kafka-options.js';
import { parsePlace } from './client/record-codec.js';
import { Sockets } from './client/sockets.js';
import { stopping } from './client/stopping.js';
import { within } from './client/within.js';
import { GroupMember } from './consume/group-member.js';
import { KafkaSubscription } from './consume/kafka-subscription.js';
import {
  deadLetterOf,
  deadLetterOverheadBytes,
  recordOfDeadLetter,
} from './dead-letters/dead-letter.js';
import { readRecord } from './client/fetch-records.js';
import { BatchSender } from './produce/batch-sender.js';
import { RecordAppender } from './produce/record-appender.js';
import { groupIdOf, lagOf, offsetsOf } from './topics/group-lag.js';
import { LagCache } from './topics/lag-cache.js';

export interface KafkaLogOptions extends KafkaConnectionOptions {
  /**
   * Sent over connections of their own: nothing of another topic is before their records. Fetched as
   * soon as they are there; records of other topics by the group, at the price of some milliseconds.
   */
  readonly urgentTopics?: readonly string[];
  /** Octets of a record with its headers and framing, as `max.message.bytes`; 4 MiB where absent. */
  readonly maxRecordBytes?: number;
  /** Octets of records that the brokers have not taken; appends beyond wait. 32 MiB where absent. */
  readonly maxWaitingBytes?: number;
  /** How long an append lasts at most; 30,000 where absent. */
  readonly appendTimeoutMs?: number;
  /** After so long without a sign of it a member's partitions are given to others; 20,000 where absent. */
  readonly sessionTimeoutMs?: number;
  /** How long `subscribe` waits for its group; 60,000 where absent. */
  readonly joinTimeoutMs?: number;
  /** Octets of one fetch of a consumer, but at least 1 MiB a partition; 16 MiB where absent. */
  readonly fetchBytes?: number;
  readonly commitIntervalMs?: number;
  /** How long a lag that was read is told again; 1,000 where absent. */
  readonly lagCacheMs?: number;
  readonly retry?: Partial<RetryPolicy>;
}

export interface KafkaEventLog extends EventLog, Stoppable {
  /**
   * Keeps a record of the topic as a dead letter of the group, as a consumer does; resolves to the
   * place that `readDeadLetter` finds it by.
   */
  keepDeadLetter(record: DeliveredRecord, group: string, cause: unknown): Promise<string>;
}

const defaultMaxRecordBytes = 4 * 1024 * 1024;
const defaultMaxWaitingBytes = 32 * 1024 * 1024;
const defaultAppendTimeoutMs = 30_000;
const defaultSessionTimeoutMs = 20_000;
const defaultJoinTimeoutMs = 60_000;
const defaultFetchBytes = 16 * 1024 * 1024;
const defaultCommitIntervalMs = 250;
const defaultLagCacheMs = 1_000;
const defaultRequestTimeoutMs = 10_000;
/**
 * A batch that has records of one partition only is one record batch, and brokers refuse those over
 * `message.max.bytes`; this is below its default of 1,048,588, so that also topics that are not ours take it.
 */
const maxBatchBytes = 960 * 1024;
const urgentFetch = { minBytes: 1, maxMs: 500 };
const bulkFetch = { minBytes: 512 * 1024, maxMs: 100 };
/** Each is tried every few seconds. */
const maxRestingRecords = 1_024;
/** Done again, without effect, where a process is killed meanwhile. */
const maxDoneAhead = 10_000;
const sendPolicy = { firstMs: 100, maxMs: 1_000 };
const closeTimeoutMs = 5_000;

/**
 * Opens the event log of a cluster. Topics are made by `openKafkaAdmin(...).ensureTopics`, dead-letter topics
 * too. Throws FAULT_BUS_DOWN where the brokers cannot be reached now; afterwards they may come and go.
 */
export async function openKafkaLog(options: KafkaLogOptions): Promise<KafkaEventLog> {
  const log = new KafkaLog(options);
  await log.open();
  return log;
}

class KafkaLog implements KafkaEventLog {
  readonly #options: KafkaLogOptions;
  readonly #sockets: Sockets;
  readonly #policy: RetryPolicy;
  readonly #calls: AdminCalls;
  readonly #urgentTopics: ReadonlySet<string>;
  readonly #bulk: BatchSender;
  readonly #urgent: BatchSender;
  readonly #appender: RecordAppender;
  readonly #lags: LagCache;
  readonly #subscriptions = new Set<KafkaSubscription>();
  #stopped: Promise<void> | undefined;

  constructor(options: KafkaLogOptions) {
    this.#sockets = new Sockets(options.openSocket ?? openPlainSocket);
    this.#options = { ...options, openSocket: this.#sockets.open };
    this.#policy = { ...defaultRetryPolicy, ...options.retry };
    this.#calls = new AdminCalls(this.#options);
    this.#bulk = this.#newSender();
    this.#urgent = this.#newSender();
    this.#urgentTopics = new Set(options.urgentTopics);
    this.#appender = new RecordAppender({
      senderOf: (topic) => (this.#urgentTopics.has(topic) ? this.#urgent : this.#bulk),
      maxRecordBytes: this.#maxRecordBytes,
      overheadBytes: deadLetterOverheadBytes,
      maxWaitingBytes: options.maxWaitingBytes ?? defaultMaxWaitingBytes,
      timeoutMs: options.appendTimeoutMs ?? defaultAppendTimeoutMs,
    });
    this.#lags = new LagCache(options.lagCacheMs ?? defaultLagCacheMs, async (topic, group) =>
      lagOf(await offsetsOf(this.#calls, topic, group)),
    );
  }

  async open(): Promise<void> {
    try {
      await Promise.all([this.#bulk.connect(), this.#urgent.connect()]);
    } catch (error) {
      await this.stop(0);
      const brokers = this.#options.brokers.join(', ');
      throw kafkaFault(`the Kafka brokers ${brokers} cannot be reached`, error);
    }
  }

  append(topic: string, record: EventRecord): Promise<void> {
    return this.#appender.append(topic, record);
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    if (this.#stopped !== undefined) throw stopping();
    if (!Number.isSafeInteger(options.concurrency) || options.concurrency < 1) {
      throw new CertmillError('INVALID_INPUT', 'the concurrency of a subscription must be over 0');
    }
    const subscription = this.#newSubscription(options);
    this.#subscriptions.add(subscription);
    try {
      await subscription.start(this.#options.joinTimeoutMs ?? defaultJoinTimeoutMs);
    } catch (error) {
      this.#subscriptions.delete(subscription);
      throw error;
    }
    return {
      stop: async (timeoutMs) => {
        await subscription.stop(timeoutMs);
        this.#subscriptions.delete(subscription);
      },
    };
  }

  async readDeadLetter(
    topic: string,
    group: string,
    place: string,
  ): Promise<EventRecord | undefined> {
    const at = parsePlace(place);
    if (at === undefined) return undefined;
    const record = await readRecord(this.#options, deadLetterTopicOf(topic, group), at);
    return record && recordOfDeadLetter(record);
  }

  keepDeadLetter(record: DeliveredRecord, group: string, cause: unknown): Promise<string> {
    return this.#appender.appendAlone(
      deadLetterTopicOf(record.topic, group),
      deadLetterOf(record, group, cause, this.#maxRecordBytes + deadLetterOverheadBytes),
    );
  }

  lag(topic: string, group: string): Promise<number> {
    return this.#lags.lag(topic, group);
  }

  stop(timeoutMs: number): Promise<void> {
    this.#stopped ??= this.#stop(timeoutMs);
    return this.#stopped;
  }

  async #stop(timeoutMs: number): Promise<void> {
    // Consumers first: what they have in hand may still append.
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.stop(timeoutMs)));
    await this.#appender.stop(timeoutMs);
    await Promise.all([
      this.#calls.stop(),
      within(closeTimeoutMs, this.#bulk.disconnect()),
      within(closeTimeoutMs, this.#urgent.disconnect()),
    ]);
    this.#sockets.close(stopping());
  }

  get #maxRecordBytes(): number {
    return this.#options.maxRecordBytes ?? defaultMaxRecordBytes;
  }

  #newSender(): BatchSender {
    return new BatchSender({
      kafka: createKafka(this.#options),
      maxBatchBytes,
      requestTimeoutMs: this.#options.requestTimeoutMs ?? defaultRequestTimeoutMs,
      policy: { ...this.#policy, ...sendPolicy },
    });
  }

  #newSubscription(options: SubscribeOptions): KafkaSubscription {
    const { topic, group } = options;
    const fetchBytes = this.#options.fetchBytes ?? defaultFetchBytes;
    return new KafkaSubscription({
      ...options,
      policy: this.#policy,
      commitIntervalMs: this.#options.commitIntervalMs ?? defaultCommitIntervalMs,
      maxQueuedBytes: fetchBytes / 2,
      resting: { maxRecords: maxRestingRecords, maxBytes: 2 * fetchBytes },
      maxDoneAhead,
      deadLetter: (record, cause) => this.keepDeadLetter(record, group, cause),
      observe: (notice) => this.#options.observe?.({ ...notice, topic, group }),
      openMember: async (events) => {
        const partitions = await this.#partitionsOf(topic);
        const sessionTimeoutMs = this.#options.sessionTimeoutMs ?? defaultSessionTimeoutMs;
        const groupId = groupIdOf(topic, group);
        return new GroupMember(
          {
            connection: this.#options,
            topic,
            groupId,
            partitions,
            fetchBytes,
            fetchWait: this.#urgentTopics.has(topic) ? urgentFetch : bulkFetch,
            sessionTimeoutMs,
            fromBeginning: options.from !== 'latest',
          },
          events,
        );
      },
    });
  }

  #partitionsOf(topic: string): Promise<number> {
    return this.#calls.call(`the topic ${topic}`, async (admin) => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      return topics[0]?.partitions.length ?? 0;
    });
  }
}
