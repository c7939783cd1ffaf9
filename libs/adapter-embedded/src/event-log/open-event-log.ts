import { dirname, join } from 'node:path';
import { CertmillError, defaultRetryPolicy, type RetryPolicy } from '@certmill/domain';
import type {
  EventLog,
  EventRecord,
  Stoppable,
  SubscribeOptions,
  Subscription,
} from '@certmill/ports';
import { deadLetterTopicOf } from '@certmill/events';
import { nodeDisk, type Disk } from '../disk.js';
import { offsetOf, placeOf, recordOfDeadLetter } from './dead-letter.js';
import { DurableGroup } from './durable-group.js';
import { stopping } from './log-fault.js';
import { RelayTopic } from './relay-topic.js';
import { SegmentReader } from './segment-reader.js';
import { TopicLog } from './topic-log.js';

export interface EventLogOptions {
  /** Owned by this log alone; the caller holds the data folder's lock. */
  readonly directory: string;
  /** Kept in files. Their dead-letter topics are made when they are first needed. */
  readonly durableTopics: readonly string[];
  /** Kept in memory: an append resolves when every group has handled the record. */
  readonly relayTopics: readonly string[];
  /** Octets of a record with its headers and framing; 4 MiB where absent. */
  readonly maxRecordBytes?: number;
  /** A segment that is so large gets a successor; 64 MiB where absent. */
  readonly segmentBytes?: number;
  /** Per durable topic, what its slowest group has not handled; dead letters are not bounded. */
  readonly maxBacklogBytes: number;
  /** Per relay topic, records that not every group has handled; 256 where absent. */
  readonly maxRelayRecords?: number;
  /** How long an append waits for room before FAULT_OVERLOADED; 30,000 where absent. */
  readonly backlogWaitMs?: number;
  readonly retry?: Partial<RetryPolicy>;
  readonly disk?: Disk;
}

export interface EmbeddedEventLog extends EventLog, Stoppable {
  /** Until disposed no segment is removed: a copy that is being made finds what it began with. */
  holdSegments(): Disposable;
  /** `stop` with 5 s for what is in hand. */
  close(): Promise<void>;
}

const defaultMaxRecordBytes = 4 * 1024 * 1024;
const defaultSegmentBytes = 64 * 1024 * 1024;
const defaultMaxRelayRecords = 256;
const defaultBacklogWaitMs = 30_000;
const closeTimeoutMs = 5_000;
const topicPattern = /^[a-z0-9][a-z0-9.-]{0,200}$/;
const deadLetterSuffix = '.dlq';

/**
 * Opens the event log of a data folder: durable topics in append-only segment files, relay topics in
 * memory. Torn tails are cut off. Throws FAULT_STORE_CORRUPT where a durable record is damaged,
 * DATA_FORMAT_UNSUPPORTED where the files are of a later release.
 */
export async function openEventLog(options: EventLogOptions): Promise<EmbeddedEventLog> {
  const log = new SegmentEventLog(options);
  await log.open();
  return log;
}

class SegmentEventLog implements EmbeddedEventLog {
  readonly #options: EventLogOptions;
  readonly #disk: Disk;
  readonly #policy: RetryPolicy;
  readonly #maxRecordBytes: number;
  readonly #relays = new Map<string, RelayTopic>();
  /** By topic; promises, so that a dead-letter topic is opened once however many want it. */
  readonly #logs = new Map<string, Promise<TopicLog>>();
  readonly #groups = new Map<string, Promise<DurableGroup>>();
  readonly #subscriptions = new Set<Subscription>();
  #holds = 0;
  #stopped: Promise<void> | undefined;

  constructor(options: EventLogOptions) {
    this.#options = options;
    this.#disk = options.disk ?? nodeDisk;
    this.#policy = { ...defaultRetryPolicy, ...options.retry };
    this.#maxRecordBytes = options.maxRecordBytes ?? defaultMaxRecordBytes;
  }

  async open(): Promise<void> {
    const { directory, durableTopics, relayTopics } = this.#options;
    const maxRelayRecords = this.#options.maxRelayRecords ?? defaultMaxRelayRecords;
    await this.#disk.makeDirectory(directory);
    for (const topic of relayTopics) {
      const relay = new RelayTopic(topic, maxRelayRecords, this.#backlogWaitMs, this.#policy);
      this.#relays.set(topic, relay);
    }
    try {
      for (const topic of durableTopics) await this.#openLog(topic);
      // The log's own folder and those of its topics must outlive a crash as their segments do.
      await this.#disk.syncDirectory(directory);
      await this.#disk.syncDirectory(dirname(directory));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async append(topic: string, record: EventRecord): Promise<void> {
    if (this.#stopped !== undefined) throw stopping();
    const relay = this.#relays.get(topic);
    if (relay === undefined) {
      const log = await this.#logOf(topic);
      await log.append(record);
      return;
    }
    if (record.value.length > this.#maxRecordBytes) {
      throw new CertmillError('INVALID_INPUT', `a record for ${topic} is over the limit`);
    }
    return relay.append(record);
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    if (this.#stopped !== undefined) throw stopping();
    if (!Number.isSafeInteger(options.concurrency) || options.concurrency < 1) {
      throw new CertmillError('INVALID_INPUT', 'the concurrency of a subscription must be over 0');
    }
    const relay = this.#relays.get(options.topic);
    const subscription =
      relay === undefined
        ? (await this.#groupOf(options.topic, options.group)).subscribe(options)
        : relay.subscribe(options);
    this.#subscriptions.add(subscription);
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
    const log = await this.#logOf(deadLetterTopicOf(topic, group));
    const offset = offsetOf(place);
    if (offset === undefined || offset < log.firstOffset || offset >= log.endOffset) {
      return undefined;
    }
    const reader = new SegmentReader(this.#disk, this.#maxRecordBytes);
    try {
      const at = await log.locate(reader, offset);
      return at && recordOfDeadLetter((await reader.read(at)).record);
    } finally {
      await reader.close();
    }
  }

  async lag(topic: string, group: string): Promise<number> {
    const relay = this.#relays.get(topic);
    if (relay !== undefined) return relay.lag(group);
    const log = await this.#logOf(topic);
    return log.endOffset - (log.offsets.committed(group) ?? log.firstOffset);
  }

  holdSegments(): Disposable {
    this.#holds++;
    return {
      [Symbol.dispose]: () => {
        this.#holds--;
      },
    };
  }

  stop(timeoutMs: number): Promise<void> {
    this.#stopped ??= this.#stop(timeoutMs);
    return this.#stopped;
  }

  close(): Promise<void> {
    return this.stop(closeTimeoutMs);
  }

  get #backlogWaitMs(): number {
    return this.#options.backlogWaitMs ?? defaultBacklogWaitMs;
  }

  async #stop(timeoutMs: number): Promise<void> {
    const stopped = [...this.#subscriptions].map((subscription) => subscription.stop(timeoutMs));
    await Promise.all(stopped);
    for (const relay of this.#relays.values()) relay.close();
    // A topic that could not be opened has nothing to close.
    const logs = await Promise.allSettled(this.#logs.values());
    await Promise.allSettled(
      logs.map((log) => (log.status === 'fulfilled' ? log.value.close() : Promise.resolve())),
    );
  }

  #logOf(topic: string): Promise<TopicLog> {
    const isKnown = this.#logs.has(topic) || this.#isDeadLetterTopic(topic);
    if (!isKnown) throw new CertmillError('INVALID_INPUT', `there is no topic '${topic}'`);
    return this.#openLog(topic);
  }

  #isDeadLetterTopic(topic: string): boolean {
    return (
      topic.endsWith(deadLetterSuffix) &&
      topicPattern.test(topic) &&
      this.#options.durableTopics.some((durable) => topic.startsWith(`${durable}.`))
    );
  }

  #openLog(topic: string): Promise<TopicLog> {
    if (!topicPattern.test(topic)) {
      throw new CertmillError('INVALID_INPUT', `'${topic.slice(0, 80)}' cannot name a topic`);
    }
    const known = this.#logs.get(topic);
    if (known !== undefined) return known;
    const { directory, maxBacklogBytes, segmentBytes } = this.#options;
    const opened = TopicLog.open({
      disk: this.#disk,
      topic,
      directory: join(directory, topic),
      maxRecordBytes: this.#maxRecordBytes,
      segmentBytes: segmentBytes ?? defaultSegmentBytes,
      // A dead letter that had to wait would hold up the group whose poison it takes away.
      maxBacklogBytes: topic.endsWith(deadLetterSuffix) ? Infinity : maxBacklogBytes,
      backlogWaitMs: this.#backlogWaitMs,
      isHeld: () => this.#holds > 0,
    }).then(async (log) => {
      await this.#disk.syncDirectory(directory);
      return log;
    });
    this.#logs.set(topic, opened);
    opened.catch(() => this.#logs.delete(topic));
    return opened;
  }

  #groupOf(topic: string, group: string): Promise<DurableGroup> {
    const name = `${topic}\n${group}`;
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    const opened = this.#openGroup(topic, group);
    this.#groups.set(name, opened);
    opened.catch(() => this.#groups.delete(name));
    return opened;
  }

  async #openGroup(topic: string, group: string): Promise<DurableGroup> {
    const log = await this.#logOf(topic);
    return DurableGroup.open({
      disk: this.#disk,
      log,
      group,
      maxRecordBytes: this.#maxRecordBytes,
      policy: this.#policy,
      appendDeadLetter: async (record) => {
        const deadLetters = await this.#logOf(deadLetterTopicOf(topic, group));
        return placeOf(await deadLetters.append(record));
      },
    });
  }
}
