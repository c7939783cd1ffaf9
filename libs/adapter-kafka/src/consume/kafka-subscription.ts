import { CertmillError, pauseMs, type RetryPolicy } from '@certmill/domain';
import type { DeliveredRecord, SubscribeOptions, Subscription } from '@certmill/ports';
import type { KafkaMessage } from 'kafkajs';
import { isFenced, isRebalancing, kafkaFault } from '../client/kafka-fault.js';
import type { KafkaNotice } from '../client/kafka-observer.js';
import { recordOf } from '../client/record-codec.js';
import { within } from '../client/within.js';
import { FairQueue } from './fair-queue.js';
import type { GroupMember, GroupMemberEvents } from './group-member.js';
import { handleRecord, type Delivery } from './handle-record.js';
import { PartitionProgress, type Progress } from './partition-progress.js';
import { pause } from './pause.js';
import { RestingRecords, type RestingBounds } from './resting-records.js';
import { Slots } from './slots.js';

export type Member = Pick<
  GroupMember,
  'start' | 'wake' | 'pause' | 'resume' | 'commit' | 'refuse' | 'close'
>;

export interface KafkaSubscriptionOptions extends SubscribeOptions {
  /** A new membership; rejects where the topic cannot be looked up. */
  readonly openMember: (events: GroupMemberEvents) => Promise<Member>;
  readonly deadLetter: (record: DeliveredRecord, cause: unknown) => Promise<string>;
  readonly policy: RetryPolicy;
  readonly commitIntervalMs: number;
  /** Octets that are fetched ahead of the handlers; a fetch under way comes on top. */
  readonly maxQueuedBytes: number;
  /** Of records that wait for their next try, beside what is queued. */
  readonly resting: RestingBounds;
  /** Records of a partition that are done behind one that is not: none of them can be committed. */
  readonly maxDoneAhead: number;
  readonly observe: (notice: Omit<KafkaNotice, 'topic' | 'group'>) => void;
}

interface QueuedDelivery extends Delivery {
  readonly progress: PartitionProgress;
  readonly taken: Progress;
}

/** Records done since the last commit that are reason for another. */
const commitEvery = 1_000;
const commitTimeoutMs = 5_000;
/** What a consumer that halts leaves to its other records. */
const haltTimeoutMs = 10_000;

/**
 * A group's consumer in this process: members come and go, one at a time; the records of all of them
 * share one bound on what is in hand.
 */
export class KafkaSubscription implements Subscription {
  readonly #options: KafkaSubscriptionOptions;
  readonly #stop = new AbortController();
  readonly #queue = new FairQueue<QueuedDelivery>();
  readonly #progress = new Map<number, PartitionProgress>();
  readonly #inHand = new Set<Promise<void>>();
  readonly #slots: Slots;
  readonly #resting: RestingRecords;
  /** Partitions of which nothing is taken: too much waits for its next try, or to be committed. */
  #held: ReadonlySet<number> = new Set();
  /** Partitions of which nothing is fetched: those, until what is queued of them has become less. */
  readonly #unfetched = new Set<number>();
  #member: Member | undefined;
  #memberId: string | undefined;
  /** Whose records are taken; none while the group has refused the member. */
  #assigned: ReadonlySet<number> = new Set();
  /** How often a group was joined: what was asked before the last time is answered in vain. */
  #generation = 0;
  #isPaused = true;
  #doneSinceCommit = 0;
  /** Said once, not with every try, while a broker is away. */
  #isCommitFailing = false;
  #committing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped: Promise<void> | undefined;
  #ran: Promise<void> | undefined;

  constructor(options: KafkaSubscriptionOptions) {
    this.#options = options;
    this.#slots = new Slots(options.concurrency);
    this.#resting = new RestingRecords(options.resting);
  }

  /** Resolves once the group is joined. Throws FAULT_BUS_DOWN where that takes too long; it is stopped then. */
  async start(timeoutMs: number): Promise<void> {
    this.#timer = setInterval(() => {
      this.#commitNow();
    }, this.#options.commitIntervalMs);
    let failure: unknown;
    const joined = new Promise<void>((resolve) => {
      this.#ran = this.#run(resolve, (cause) => {
        failure = cause;
      });
    });
    if (await within(timeoutMs, Promise.race([joined, this.#ran ?? joined]))) return;
    await this.stop(0);
    const { topic, group } = this.#options;
    throw kafkaFault(`the group ${group} of ${topic} could not be joined in time`, failure);
  }

  stop(timeoutMs: number): Promise<void> {
    this.#stopped ??= this.#finish(timeoutMs);
    return this.#stopped;
  }

  async #finish(timeoutMs: number): Promise<void> {
    this.#stop.abort();
    await within(timeoutMs, Promise.all(this.#inHand));
    clearInterval(this.#timer);
    await within(commitTimeoutMs, this.#commitLast());
    this.#dropAll();
    await this.#member?.close();
    await this.#ran;
  }

  /** Keeps this process a member, whatever happens, until it is stopped. */
  async #run(onJoined: () => void, onFailed: (cause: unknown) => void): Promise<void> {
    const { signal } = this.#stop;
    let failures = 0;
    for (;;) {
      const cause = await this.#beMember(() => {
        failures = 0;
        onJoined();
      });
      if (signal.aborted) return;
      failures++;
      onFailed(cause);
      const message = 'the consumer has lost its group and joins anew';
      this.#options.observe({ level: 'warn', code: 'member-restarting', message, cause });
      await pause(pauseMs(failures, this.#options.policy), signal);
      if (this.#stop.signal.aborted) return;
    }
  }

  /** From joining to the end of a membership; resolves to its cause. */
  async #beMember(onJoined: () => void): Promise<unknown> {
    const { signal } = this.#stop;
    const ended = Promise.withResolvers<unknown>();
    const stopped = Promise.withResolvers<undefined>();
    const stop = (): void => {
      stopped.resolve(undefined);
      ended.resolve(undefined);
    };
    signal.addEventListener('abort', stop);
    try {
      const opening = this.#options.openMember({
        joined: (memberId, partitions) => {
          this.#joined(memberId, partitions);
          onJoined();
        },
        rebalancing: () => {
          this.#rebalancing();
        },
        records: (partition, messages) => {
          this.#take(partition, messages);
        },
        hasRoom: () => this.#hasRoom(),
        ended: (cause) => {
          ended.resolve(cause);
        },
      });
      opening.catch(() => undefined);
      const member = await Promise.race([opening, stopped.promise]);
      // One that comes later is never started: nothing of it is open.
      if (member === undefined) return undefined;
      if (signal.aborted) {
        await member.close();
        return undefined;
      }
      this.#member = member;
      void member.start();
      const cause = await ended.promise;
      // What is in hand may still be committed by whoever stops the subscription.
      if (this.#stop.signal.aborted) return cause;
      this.#dropAll();
      await member.close();
      return cause;
    } catch (error) {
      return error;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  #joined(memberId: string, partitions: readonly number[]): void {
    // A member that kept its name was never away: nobody else had what it has again.
    const isSame = memberId === this.#memberId;
    for (const progress of this.#progress.values()) {
      if (!isSame || !partitions.includes(progress.partition)) this.#drop(progress);
    }
    this.#memberId = memberId;
    this.#assigned = new Set(partitions);
    this.#generation++;
    this.#isPaused = false;
    // It may be a new one, which knows of none.
    for (const partition of this.#unfetched) this.#member?.pause(partition);
    const message = `a member of the group, with ${partitions.length} partitions`;
    this.#options.observe({ level: 'info', code: 'group-joined', message });
    this.#pump();
  }

  #rebalancing(): void {
    this.#isPaused = true;
    const message = 'the group shares its partitions anew';
    this.#options.observe({ level: 'info', code: 'group-rebalancing', message });
    this.#commitNow();
  }

  #take(partition: number, messages: readonly KafkaMessage[]): void {
    // A commit of them would pass over what another member has in hand.
    if (!this.#assigned.has(partition)) return;
    let progress = this.#progress.get(partition);
    if (progress === undefined) {
      progress = new PartitionProgress(partition);
      this.#progress.set(partition, progress);
    }
    for (const message of messages) {
      const taken = progress.take(Number(message.offset));
      if (taken === undefined) continue;
      const record = recordOf(this.#options.topic, partition, message);
      this.#queue.push(partition, { record, progress, taken }, record.value.length);
    }
    this.#pump();
  }

  #hasRoom(): boolean {
    const { concurrency, maxQueuedBytes } = this.#options;
    const held = this.#queue.sizeOf(this.#held);
    return (
      this.#queue.size - held.size < 2 * concurrency &&
      this.#queue.bytes - held.bytes < maxQueuedBytes
    );
  }

  #pump(): void {
    this.#hold();
    while (!this.#isPaused && !this.#stop.signal.aborted && this.#slots.tryTake()) {
      const delivery = this.#queue.take(this.#held);
      if (delivery === undefined) {
        this.#slots.give(false);
        break;
      }
      const work = this.#handle(delivery).finally(() => {
        this.#inHand.delete(work);
        this.#pump();
      });
      this.#inHand.add(work);
    }
    // While it stops, kafkajs is not let on: it would fetch the same again and again.
    if (this.#hasRoom() && !this.#stop.signal.aborted) this.#member?.wake();
  }

  /** What is held is not fetched either: it would stand in the way of other partitions. */
  #hold(): void {
    const { concurrency, maxDoneAhead } = this.#options;
    const ahead = [...this.#progress.values()].filter(({ doneAhead }) => doneAhead >= maxDoneAhead);
    this.#held = new Set([...this.#resting.held, ...ahead.map(({ partition }) => partition)]);
    for (const partition of this.#held) {
      if (this.#unfetched.has(partition)) continue;
      this.#unfetched.add(partition);
      this.#member?.pause(partition);
    }
    for (const partition of this.#unfetched) {
      // One that is held again and again would queue a fetch more each time.
      const isLong = this.#queue.sizeOf(new Set([partition])).size >= concurrency;
      if (this.#held.has(partition) || isLong) continue;
      this.#unfetched.delete(partition);
      this.#member?.resume(partition);
    }
  }

  async #handle(delivery: QueuedDelivery): Promise<void> {
    const { handler, onDeadLetter, policy, deadLetter, observe } = this.#options;
    const { progress, taken } = delivery;
    const { partition } = progress;
    const { signal } = this.#stop;
    const bytes = delivery.record.value.length;
    let slot: 'first' | 'retry' | 'none' = 'first';
    const resting = { is: false };
    const giveSlot = (): void => {
      if (slot !== 'none') this.#slots.give(slot === 'retry');
      slot = 'none';
    };
    const handling = await handleRecord(delivery, {
      handler,
      ...(onDeadLetter === undefined ? {} : { onDeadLetter }),
      policy,
      deadLetter,
      onBurialFailed: ({ position }, cause) => {
        const message = `the record ${position} can be neither handled nor made a dead letter: it is tried on`;
        observe({ level: 'error', code: 'burial-failed', message, cause });
      },
      // A record in its pause takes no slot: all of them could be of one issuer that is away.
      rest: async (ms) => {
        if (!resting.is) this.#resting.add(partition, bytes);
        resting.is = true;
        giveSlot();
        this.#pump();
        await pause(ms, signal);
        if (await this.#slots.takeForRetry(signal)) slot = 'retry';
      },
      stop: signal,
      isDropped: () => progress.isRevoked,
    });
    giveSlot();
    if (resting.is) this.#resting.remove(partition, bytes);
    if (handling.kind === 'halt') this.#halt(handling.cause);
    if (handling.kind !== 'handled') return;
    // Of no effect where the record is another member's meanwhile.
    progress.done(taken);
    if (++this.#doneSinceCommit >= commitEvery) this.#commitNow();
  }

  #halt(cause: unknown): void {
    if (this.#stop.signal.aborted) return;
    const fault =
      cause instanceof Error
        ? cause
        : new CertmillError('FAULT_PROCESSING', 'a handler halted', { cause });
    const message = 'a handler has halted the consumer';
    this.#options.observe({ level: 'error', code: 'halted', message, cause });
    void this.stop(haltTimeoutMs);
    this.#options.onHalt?.(fault);
  }

  #commitNow(): void {
    this.#committing ??= this.#commit().finally(() => {
      this.#committing = undefined;
    });
  }

  async #commitLast(): Promise<void> {
    await this.#committing;
    await this.#commit();
  }

  async #commit(): Promise<void> {
    const offsets = new Map<number, number>();
    for (const { partition, committable } of this.#progress.values()) {
      if (committable !== undefined) offsets.set(partition, committable);
    }
    if (offsets.size === 0 || this.#member === undefined) return;
    const member = this.#member;
    const generation = this.#generation;
    const owners = new Map(this.#progress);
    this.#doneSinceCommit = 0;
    try {
      await member.commit(offsets);
      this.#isCommitFailing = false;
      for (const [partition, offset] of offsets) owners.get(partition)?.committed(offset);
    } catch (error) {
      // Asked before the group was joined again: the next commit tells more.
      if (generation !== this.#generation || member !== this.#member) return;
      this.#commitFailed(member, error);
    }
  }

  #commitFailed(member: Member, cause: unknown): void {
    const { observe } = this.#options;
    if (isFenced(cause) && !this.#isPaused) {
      const message = 'the group has gone on without this member: what it had in hand is dropped';
      observe({ level: 'warn', code: 'commit-refused', message, cause });
      this.#dropAll();
      this.#isPaused = true;
      member.refuse(cause as Error);
    } else if (!isRebalancing(cause) && !isFenced(cause) && !this.#isCommitFailing) {
      this.#isCommitFailing = true;
      const message = 'offsets could not be committed; they are with the next ones';
      observe({ level: 'warn', code: 'commit-failed', message, cause });
    }
  }

  #drop(progress: PartitionProgress): void {
    progress.revoke();
    this.#queue.drop(progress.partition);
    this.#progress.delete(progress.partition);
  }

  /** Everything, and what still comes, until the group is joined again. */
  #dropAll(): void {
    this.#assigned = new Set();
    for (const progress of this.#progress.values()) this.#drop(progress);
  }
}
