import { CertmillError, type RetryPolicy } from '@certmill/domain';
import type { EventRecord, SubscribeOptions } from '@certmill/ports';
import { Consumer, type RecordSource } from './consumer.js';
import { stopping } from './log-fault.js';

interface RelayEntry {
  readonly record: EventRecord;
  readonly position: string;
  /** Groups that have not handled it; undefined until the first group is there. */
  pending: Set<string> | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  isSettled: boolean;
}

/**
 * A topic in memory: an append resolves when every group has handled the record, and rejects with the
 * first handler's fault. The record's durability is that of the record it follows from, which its
 * consumer commits only after this. A group that subscribed once counts from then on: while it is
 * away, appends wait for it.
 */
export class RelayTopic {
  readonly #topic: string;
  readonly #maxRecords: number;
  readonly #waitMs: number;
  readonly #policy: RetryPolicy;
  readonly #groups = new Map<string, RelayGroup>();
  readonly #entries = new Set<RelayEntry>();
  #nextOffset = 0;
  #isStopping = false;
  /** Appends over the bound, in order of arrival. */
  readonly #waiting: (() => void)[] = [];

  constructor(topic: string, maxRecords: number, waitMs: number, policy: RetryPolicy) {
    this.#topic = topic;
    this.#maxRecords = maxRecords;
    this.#waitMs = waitMs;
    this.#policy = policy;
  }

  async append(record: EventRecord): Promise<void> {
    this.#assertOpen();
    if (this.#entries.size >= this.#maxRecords) await this.#waitForRoom();
    this.#assertOpen();
    const position = `0:${String(this.#nextOffset++)}`;
    await new Promise<void>((resolve, reject) => {
      const groups = [...this.#groups.keys()];
      const pending = groups.length === 0 ? undefined : new Set(groups);
      const entry: RelayEntry = { record, position, pending, resolve, reject, isSettled: false };
      this.#entries.add(entry);
      for (const group of this.#groups.values()) group.offer(entry);
    });
  }

  subscribe(options: SubscribeOptions): Consumer<RelayEntry> {
    let group = this.#groups.get(options.group);
    if (group === undefined) {
      group = new RelayGroup(this.#topic, options.group, this.#policy, {
        handled: (entry) => {
          this.#handled(entry, options.group);
        },
        failed: (entry, cause) => {
          this.#settle(entry, () => {
            entry.reject(cause);
          });
        },
      });
      this.#groups.set(options.group, group);
      for (const entry of this.#entries) {
        if (entry.pending !== undefined) continue;
        entry.pending = new Set([options.group]);
        group.offer(entry);
      }
    }
    return group.subscribe(options);
  }

  lag(group: string): number {
    return [...this.#entries].filter(({ pending }) => pending?.has(group) ?? true).length;
  }

  /** What is not handled by now ends with FAULT_STOPPING. */
  close(): void {
    this.#isStopping = true;
    for (const admit of this.#waiting.splice(0)) admit();
    for (const entry of this.#entries) {
      this.#settle(entry, () => {
        entry.reject(stopping());
      });
    }
  }

  #assertOpen(): void {
    if (this.#isStopping) throw stopping();
  }

  #handled(entry: RelayEntry, group: string): void {
    entry.pending?.delete(group);
    if (entry.pending?.size === 0) this.#settle(entry, entry.resolve);
  }

  #settle(entry: RelayEntry, answer: () => void): void {
    if (entry.isSettled) return;
    entry.isSettled = true;
    this.#entries.delete(entry);
    answer();
    this.#waiting.shift()?.();
  }

  async #waitForRoom(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const admit = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(admit), 1);
        const message = `${this.#topic} is full; its consumers are behind`;
        reject(new CertmillError('FAULT_OVERLOADED', message));
      }, this.#waitMs);
      this.#waiting.push(admit);
    });
  }
}

interface RelayAnswers {
  readonly handled: (entry: RelayEntry) => void;
  readonly failed: (entry: RelayEntry, cause: unknown) => void;
}

/** A group's queue of a relay topic. */
class RelayGroup implements RecordSource<RelayEntry> {
  readonly #topic: string;
  readonly #policy: RetryPolicy;
  readonly #answers: RelayAnswers;
  readonly #consumers = new Set<Consumer<RelayEntry>>();
  #queue: RelayEntry[] = [];
  readonly #inHand = new Map<RelayEntry, Consumer<RelayEntry>>();
  readonly #group: string;

  constructor(topic: string, group: string, policy: RetryPolicy, answers: RelayAnswers) {
    this.#topic = topic;
    this.#group = group;
    this.#policy = policy;
    this.#answers = answers;
  }

  subscribe(options: SubscribeOptions): Consumer<RelayEntry> {
    const consumer = new Consumer<RelayEntry>(options, this.#policy, this);
    this.#consumers.add(consumer);
    this.wake();
    return consumer;
  }

  offer(entry: RelayEntry): void {
    this.#queue.push(entry);
    this.wake();
  }

  done(entry: RelayEntry): void {
    this.#inHand.delete(entry);
    this.#answers.handled(entry);
  }

  failed(entry: RelayEntry, cause: unknown): void {
    this.#inHand.delete(entry);
    this.#answers.failed(entry, cause);
  }

  returned(entry: RelayEntry): void {
    this.#inHand.delete(entry);
    this.#queue.unshift(entry);
    this.wake();
  }

  wake(): void {
    for (;;) {
      const entry = this.#queue[0];
      if (entry === undefined) return;
      if (!this.#isWanted(entry)) {
        this.#queue.shift();
        continue;
      }
      const halted = this.#haltedBy();
      if (halted !== undefined) {
        this.#queue.shift();
        this.#answers.failed(entry, halted);
        continue;
      }
      const consumer = [...this.#consumers].find(({ hasRoom }) => hasRoom);
      if (consumer === undefined) return;
      this.#queue.shift();
      this.#inHand.set(entry, consumer);
      const { record, position } = entry;
      consumer.take(entry, { ...record, topic: this.#topic, position });
    }
  }

  detach(consumer: Consumer<RelayEntry>): Promise<void> {
    this.#consumers.delete(consumer);
    // What the consumer held past its time-out waits for the group's next one.
    for (const [entry, holder] of this.#inHand) {
      if (holder === consumer) this.returned(entry);
    }
    return Promise.resolve();
  }

  /** False for a record that another group's fault has ended. */
  #isWanted(entry: RelayEntry): boolean {
    return !entry.isSettled && (entry.pending?.has(this.#group) ?? false);
  }

  /** The fault, where every consumer of the group has halted. */
  #haltedBy(): unknown {
    const consumers = [...this.#consumers];
    const isHalted = consumers.every(({ haltedBy }) => haltedBy !== undefined);
    return isHalted ? consumers[0]?.haltedBy : undefined;
  }
}
