// Node finds no names of errors in this CommonJS module.
import kafkajs, { type Consumer, type EachBatchPayload, type KafkaMessage } from 'kafkajs';
import { CertmillError } from '@certmill/domain';
import { createKafka, metadataMaxAgeMs, openPlainSocket } from '../client/create-kafka.js';
import { isFenced, isRebalancing } from '../client/kafka-fault.js';
import type { KafkaConnectionOptions } from '../client/kafka-options.js';
import { Sockets } from '../client/sockets.js';
import { within } from '../client/within.js';

export interface GroupMemberOptions {
  readonly connection: KafkaConnectionOptions;
  readonly topic: string;
  readonly groupId: string;
  /** Of the topic; says how much is fetched of each at once. */
  readonly partitions: number;
  readonly fetchBytes: number;
  /** What a fetch waits for at the broker: so many octets, or so long. */
  readonly fetchWait: FetchWait;
  readonly sessionTimeoutMs: number;
  /** Where the group has no offsets yet: with all that is kept, or with what comes. */
  readonly fromBeginning: boolean;
}

export interface FetchWait {
  readonly minBytes: number;
  readonly maxMs: number;
}

/** What a member tells of; never after it has ended. */
export interface GroupMemberEvents {
  joined(memberId: string, partitions: readonly number[]): void;
  /** From now until `joined`, nobody knows whose the partitions are. */
  rebalancing(): void;
  records(partition: number, messages: readonly KafkaMessage[]): void;
  hasRoom(): boolean;
  /** Once: it is no member any more and does nothing by itself. */
  ended(cause: unknown): void;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const maxHeartbeatMs = 3_000;
const rebalanceTimeoutMs = 30_000;
const closeTimeoutMs = 5_000;
/** At least what one batch of our producers, or one large record, has: a smaller fetch would bring little of it. */
const minPartitionBytes = 2 * 1024 * 1024;

/**
 * One membership in a consumer group, on a client of its own: fetches while there is room, keeps the
 * session alive while there is none, and ends at the first thing that kafkajs cannot mend. It does not
 * restart: kafkajs' own restart keeps connections and caches of what failed.
 */
export class GroupMember {
  readonly #options: GroupMemberOptions;
  readonly #events: GroupMemberEvents;
  readonly #sockets: Sockets;
  readonly #consumer: Consumer;
  readonly #tickMs: number;
  readonly #waiters = new Set<Waiter>();
  /** Of the latest batch; all of one consumer serve alike for heartbeats and commits. */
  #payload: EachBatchPayload | undefined;
  /** What must be thrown into kafkajs, so that it joins anew. */
  #refusal: Error | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isJoined = false;
  /** Ticks since the last heartbeat was answered. Ticks, not time: a paused process has missed none. */
  #silentTicks = 0;
  #isEnded = false;

  constructor(options: GroupMemberOptions, events: GroupMemberEvents) {
    this.#options = options;
    this.#events = events;
    const { connection, fetchWait, groupId, partitions, sessionTimeoutMs } = options;
    this.#sockets = new Sockets(connection.openSocket ?? openPlainSocket);
    const kafka = createKafka({ ...connection, openSocket: this.#sockets.open });
    const heartbeatMs = Math.min(maxHeartbeatMs, Math.floor(sessionTimeoutMs / 4));
    this.#tickMs = Math.ceil(heartbeatMs / 2);
    const share = Math.floor(options.fetchBytes / Math.max(1, partitions));
    const maxBytesPerPartition = Math.max(minPartitionBytes, share);
    this.#consumer = kafka.consumer({
      groupId,
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: heartbeatMs,
      rebalanceTimeout: rebalanceTimeoutMs,
      allowAutoTopicCreation: false,
      metadataMaxAge: metadataMaxAgeMs,
      maxWaitTimeInMs: fetchWait.maxMs,
      minBytes: fetchWait.minBytes,
      maxBytesPerPartition,
      // A broker fills a fetch in the order of the partitions: with less, the last ones would starve.
      maxBytes: maxBytesPerPartition * Math.max(1, partitions),
      retry: {
        initialRetryTime: 100,
        maxRetryTime: 1_000,
        retries: 4,
        restartOnFailure: () => Promise.resolve(false),
      },
    });
  }

  /** Joins the group, some time: `joined` says so, and `ended` that it cannot. Never rejects. */
  async start(): Promise<void> {
    const { topic, partitions, fromBeginning } = this.#options;
    const { events } = this.#consumer;
    this.#consumer.on(events.GROUP_JOIN, ({ payload: { memberId, memberAssignment } }) => {
      this.#joined(memberId, memberAssignment[topic] ?? []);
    });
    this.#consumer.on(events.REBALANCING, () => {
      this.#rebalancing();
    });
    this.#consumer.on(events.HEARTBEAT, () => {
      this.#silentTicks = 0;
    });
    this.#consumer.on(events.CRASH, ({ payload }) => {
      this.#end(payload.error);
    });
    this.#timer = setInterval(() => {
      this.#tick();
    }, this.#tickMs);
    try {
      await this.#consumer.connect();
      await this.#consumer.subscribe({ topics: [topic], fromBeginning });
      await this.#consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: Math.max(1, partitions),
        eachBatch: (payload) => this.#batch(payload),
      });
    } catch (error) {
      this.#end(error);
    }
  }

  /** There is room for records again. */
  wake(): void {
    for (const { resolve } of this.#waiters) resolve();
    this.#waiters.clear();
  }

  /**
   * Fetches nothing more of a partition; what is under way still comes. Of no effect before `joined`, which
   * is when it has to be said again.
   */
  pause(partition: number): void {
    this.#whereItRuns(() => {
      this.#consumer.pause([{ topic: this.#options.topic, partitions: [partition] }]);
    });
  }

  /** Of no effect before `joined`: nothing is paused then. */
  resume(partition: number): void {
    this.#whereItRuns(() => {
      this.#consumer.resume([{ topic: this.#options.topic, partitions: [partition] }]);
    });
  }

  /** By partition: everything below the offset is done. */
  async commit(offsets: ReadonlyMap<number, number>): Promise<void> {
    const partitions = [...offsets].map(([partition, offset]) => ({
      partition,
      offset: String(offset),
    }));
    await this.#payload?.commitOffsetsIfNecessary({
      topics: [{ topic: this.#options.topic, partitions }],
    });
  }

  /** The group has refused the member: what is fetched for it is thrown away, and it joins anew. */
  refuse(error: Error): void {
    this.#refusal = error;
    for (const { reject } of this.#waiters) reject(error);
    this.#waiters.clear();
  }

  /** Leaves the group. Never rejects. */
  async close(): Promise<void> {
    this.#isEnded = true;
    clearInterval(this.#timer);
    const left = this.#consumer.disconnect();
    this.wake();
    await within(closeTimeoutMs, left);
    this.#sockets.close();
  }

  /** kafkajs throws where it is connecting, and while it lets go of a group after a crash that it has not told. */
  #whereItRuns(act: () => void): void {
    if (this.#isEnded) return;
    try {
      act();
    } catch (error) {
      if (!(error instanceof kafkajs.KafkaJSNonRetriableError)) throw error;
    }
  }

  async #batch(payload: EachBatchPayload): Promise<void> {
    this.#payload = payload;
    const { batch } = payload;
    this.#throwIfRefused();
    if (this.#isEnded) return;
    this.#events.records(batch.partition, batch.messages);
    payload.resolveOffset(batch.lastOffset());
    while (this.#mustWait()) {
      await new Promise<void>((resolve, reject) => {
        this.#waiters.add({ resolve, reject });
      });
    }
  }

  #mustWait(): boolean {
    return !this.#isEnded && !this.#events.hasRoom();
  }

  #throwIfRefused(): void {
    if (this.#refusal !== undefined) throw this.#refusal;
  }

  #joined(memberId: string, partitions: readonly number[]): void {
    this.#refusal = undefined;
    this.#isJoined = true;
    this.#silentTicks = 0;
    if (!this.#isEnded) this.#events.joined(memberId, partitions);
  }

  #rebalancing(): void {
    this.#isJoined = false;
    this.#silentTicks = 0;
    if (!this.#isEnded) this.#events.rebalancing();
  }

  #tick(): void {
    this.#silentTicks++;
    const { sessionTimeoutMs } = this.#options;
    const patienceMs = 2 * sessionTimeoutMs + (this.#isJoined ? 0 : rebalanceTimeoutMs);
    if (this.#silentTicks * this.#tickMs > patienceMs) {
      this.#end(new CertmillError('FAULT_BUS_DOWN', 'the group answers no heartbeat'));
      return;
    }
    this.#payload?.heartbeat().catch((error: unknown) => {
      // Others are told by the silence: the coordinator may come back, or be another broker.
      if (isRebalancing(error) || isFenced(error)) this.refuse(error as Error);
    });
  }

  #end(cause: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearInterval(this.#timer);
    this.wake();
    this.#events.ended(cause);
  }
}
