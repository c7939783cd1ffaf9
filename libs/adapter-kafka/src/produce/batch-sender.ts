import { CertmillError, pauseMs, type RetryPolicy } from '@certmill/domain';
import {
  Partitioners,
  type Kafka,
  type Message,
  type PartitionMetadata,
  type Producer,
  type RecordMetadata,
} from 'kafkajs';
import { metadataMaxAgeMs } from '../client/create-kafka.js';
import { isTooLarge, isTransient, kafkaFault } from '../client/kafka-fault.js';
import { messageOf, placeOf } from '../client/record-codec.js';
import { PendingRecords, type Lane, type PendingRecord } from './pending-records.js';

export interface BatchSenderOptions {
  readonly kafka: Kafka;
  /** Octets of one batch, unless a single record has more. */
  readonly maxBatchBytes: number;
  readonly requestTimeoutMs: number;
  readonly policy: RetryPolicy;
}

/** Above that kafkajs' grouping by partition, which is quadratic, costs more than a request. */
const maxBatchRecords = 256;
/** The brokers answer the requests of one connection one after the other: more would only wait there. */
const maxInFlight = 3;
/** Of partitions that failed: each waits for its own leader only. */
const maxSuspectsInFlight = 16;

/**
 * One producer with its connections: puts together what is appended in one tick, and what comes while
 * requests are under way. Where a batch failed, kafkajs does not say for which partitions: each is sent by
 * itself then until it has succeeded, so that one that takes nothing holds up no other.
 *
 * Not idempotent, on purpose: kafkajs 2.2.4 gives the sequence number of a request whose answer was
 * lost to the next request, which the broker then takes for a repeat of the first. One of both is
 * acknowledged and stored nowhere. Without sequence numbers the record is stored twice, and every
 * effect is idempotent. `batch-sender.fleet.spec.ts` shows both.
 */
export class BatchSender {
  readonly #options: BatchSenderOptions;
  readonly #producer: Producer;
  readonly #pending: PendingRecords;
  readonly #choose = Partitioners.DefaultPartitioner();
  /** As kafkajs last knew them. */
  readonly #partitions = new Map<string, PartitionMetadata[]>();
  #inFlight = 0;
  #suspectsInFlight = 0;
  #isScheduled = false;
  /** Lanes that failed: how often each did; which of them pause, and which have a request of their own. */
  readonly #suspects = new Map<string, number>();
  readonly #paused = new Set<string>();
  readonly #asked = new Set<string>();

  constructor(options: BatchSenderOptions) {
    this.#options = options;
    this.#pending = new PendingRecords({
      maxBytes: options.maxBatchBytes,
      maxRecords: maxBatchRecords,
    });
    this.#producer = options.kafka.producer({
      idempotent: false,
      allowAutoTopicCreation: false,
      metadataMaxAge: metadataMaxAgeMs,
      createPartitioner: () => (given) => {
        this.#partitions.set(given.topic, given.partitionMetadata);
        // What was chosen here is known to whoever settles it.
        given.message.partition = this.#choose(given);
        return given.message.partition;
      },
      // Batches are tried again here, as a whole. kafkajs would ask only those brokers again that have not
      // answered, also for what has moved to one that has: acknowledged, and stored nowhere.
      retry: { retries: 0 },
    });
  }

  async connect(): Promise<void> {
    await this.#producer.connect();
  }

  send(pending: PendingRecord): void {
    this.#assign(pending);
    this.#pending.push(pending);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#pump();
    });
  }

  async disconnect(): Promise<void> {
    await this.#producer.disconnect();
  }

  #assign(pending: PendingRecord): void {
    const partitionMetadata = this.#partitions.get(pending.topic);
    if (partitionMetadata === undefined || pending.record === undefined) return;
    const { topic, record } = pending;
    const message = messageOf(record);
    pending.partition = this.#choose({ topic, partitionMetadata, message });
  }

  #pump(): void {
    const isHealthy = (lane: Lane): boolean => !this.#suspects.has(nameOf(lane));
    while (this.#inFlight < maxInFlight) {
      const batch = this.#pending.take(isHealthy);
      if (batch.length === 0) break;
      this.#inFlight++;
      void this.#sendBatch(batch).finally(() => {
        this.#inFlight--;
        this.#pump();
      });
    }
    // One request at a time: the next would wait for the same.
    const isDue = (lane: Lane): boolean =>
      !isHealthy(lane) && !this.#paused.has(nameOf(lane)) && !this.#asked.has(nameOf(lane));
    while (this.#suspectsInFlight < maxSuspectsInFlight) {
      const batch = this.#pending.takeOfOne(isDue);
      const [first] = batch;
      if (first === undefined) break;
      const name = nameOf(first);
      this.#asked.add(name);
      this.#suspectsInFlight++;
      void this.#sendBatch(batch).finally(() => {
        this.#asked.delete(name);
        this.#suspectsInFlight--;
        this.#pump();
      });
    }
  }

  async #sendBatch(batch: readonly PendingRecord[]): Promise<void> {
    const live = batch.filter(({ record }) => record !== undefined);
    const messages = live.flatMap(({ record, partition }): Message[] =>
      record === undefined
        ? []
        : [{ ...messageOf(record), ...(partition === undefined ? {} : { partition }) }],
    );
    const topic = batch[0]?.topic ?? '';
    try {
      const answer = await this.#producer.send({
        topic,
        acks: -1,
        timeout: this.#options.requestTimeoutMs,
        messages,
      });
      for (const lane of batch) this.#suspects.delete(nameOf(lane));
      this.#settle(live, messages, answer);
    } catch (error) {
      for (const [i, pending] of live.entries()) pending.partition = messages[i]?.partition;
      await this.#failed(topic, live, error);
    }
  }

  /** Answers each record with its place: those of a partition keep their order. */
  #settle(
    batch: readonly PendingRecord[],
    messages: readonly Message[],
    answer: readonly RecordMetadata[],
  ): void {
    const offsets = new Map(
      answer.map(({ partition, baseOffset }) => [partition, BigInt(baseOffset ?? -1)]),
    );
    const unsent: PendingRecord[] = [];
    for (const [i, pending] of batch.entries()) {
      const partition = messages[i]?.partition ?? -1;
      const offset = offsets.get(partition);
      if (offset === undefined) {
        unsent.push(pending);
        continue;
      }
      pending.resolve(offset < 0n ? undefined : placeOf(partition, String(offset)));
      if (offset >= 0n) offsets.set(partition, offset + 1n);
    }
    if (unsent.length === 0) return;
    // kafkajs passes over partitions that it does not know, as those of a topic that was made anew.
    this.#partitions.delete(unsent[0]?.topic ?? '');
    for (const pending of unsent) pending.partition = undefined;
    this.#putBack(unsent);
  }

  async #failed(topic: string, batch: readonly PendingRecord[], error: unknown): Promise<void> {
    if (isTooLarge(error)) {
      // The topic takes less at once than it is meant to: its records may fit one by one.
      if (batch.length > 1) {
        for (const pending of batch) await this.#sendBatch([pending]);
        return;
      }
      const fault = new CertmillError('INVALID_INPUT', `a record for ${topic} is over its limit`, {
        cause: error,
      });
      for (const { reject } of batch) reject(fault);
      return;
    }
    if (!isTransient(error)) {
      const fault = kafkaFault(`the brokers refuse records for ${topic}`, error);
      for (const { reject } of batch) reject(fault);
      return;
    }
    this.#putBack(batch);
  }

  /** Each record ends with its own time-out at the latest. */
  #putBack(batch: readonly PendingRecord[]): void {
    this.#pending.putBack(batch);
    for (const name of new Set(batch.map(nameOf))) this.#pause(name);
  }

  #pause(name: string): void {
    const before = this.#suspects.get(name) ?? 0;
    // Another request that was under way has failed with it: that is one failure.
    const failures = this.#paused.has(name) ? Math.max(1, before) : before + 1;
    this.#suspects.set(name, failures);
    if (this.#paused.has(name)) return;
    this.#paused.add(name);
    setTimeout(
      () => {
        this.#paused.delete(name);
        this.#pump();
      },
      pauseMs(failures, this.#options.policy),
    );
  }
}

function nameOf({ topic, partition }: Lane): string {
  return `${topic} ${String(partition)}`;
}
