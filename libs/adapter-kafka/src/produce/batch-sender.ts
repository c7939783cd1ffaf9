import { CertmillError } from '@certmill/domain';
import {
  Partitioners,
  type Kafka,
  type Message,
  type Producer,
  type RecordMetadata,
} from 'kafkajs';
import { metadataMaxAgeMs } from '../client/create-kafka.js';
import { isTooLarge, isTransient, kafkaFault } from '../client/kafka-fault.js';
import { messageOf, placeOf } from '../client/record-codec.js';
import { pauseMs, type RetryPolicy } from '../consume/retry-policy.js';
import { PendingRecords, type PendingRecord } from './pending-records.js';

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

/**
 * One producer with its connections: puts together what is appended in one tick, and what comes while
 * requests are under way.
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
  #inFlight = 0;
  #isScheduled = false;
  /** Topics that failed, for a while; and how often each did. */
  readonly #held = new Set<string>();
  readonly #failures = new Map<string, number>();

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
      createPartitioner: Partitioners.DefaultPartitioner,
      // Batches are tried again here, as a whole. kafkajs would ask only those brokers again that have not
      // answered, also for what has moved to one that has: acknowledged, and stored nowhere.
      retry: { retries: 0 },
    });
  }

  async connect(): Promise<void> {
    await this.#producer.connect();
  }

  send(pending: PendingRecord): void {
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

  #pump(): void {
    while (this.#inFlight < maxInFlight) {
      const batch = this.#pending.take(this.#held);
      if (batch.length === 0) return;
      this.#inFlight++;
      void this.#sendBatch(batch).finally(() => {
        this.#inFlight--;
        this.#pump();
      });
    }
  }

  async #sendBatch(batch: readonly PendingRecord[]): Promise<void> {
    const topic = batch[0]?.topic ?? '';
    try {
      const answer = await this.#producer.send({
        topic,
        acks: -1,
        timeout: this.#options.requestTimeoutMs,
        messages: batch.flatMap(({ record }): Message[] => (record ? [messageOf(record)] : [])),
      });
      this.#failures.delete(topic);
      settle(batch, answer);
    } catch (error) {
      await this.#failed(topic, batch, error);
    }
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
    // Each record ends with its own time-out at the latest.
    this.#pending.putBack(batch);
    this.#hold(topic);
  }

  #hold(topic: string): void {
    const failures = (this.#failures.get(topic) ?? 0) + 1;
    this.#failures.set(topic, failures);
    this.#held.add(topic);
    setTimeout(
      () => {
        this.#held.delete(topic);
        this.#pump();
      },
      pauseMs(failures, this.#options.policy),
    );
  }
}

/** Answers each record; where all went to one partition, with its place: they keep their order. */
function settle(batch: readonly PendingRecord[], answer: readonly RecordMetadata[]): void {
  const [first] = answer;
  const isKnown = answer.length === 1 && first?.baseOffset !== undefined;
  const base = BigInt(first?.baseOffset ?? 0);
  for (const [i, { resolve }] of batch.entries()) {
    resolve(isKnown ? placeOf(first.partition, (base + BigInt(i)).toString()) : undefined);
  }
}
