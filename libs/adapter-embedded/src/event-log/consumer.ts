import {
  CertmillError,
  type FailureOutcome,
  outcomeOf,
  pauseMs,
  type RetryPolicy,
} from '@certmill/domain';
import type { DeliveredRecord, SubscribeOptions, Subscription } from '@certmill/ports';

/** What a consumer asks of where its records come from. */
export interface RecordSource<Taken> {
  /** Called after a record was handled. */
  done(taken: Taken): void;
  /** Called for a record that the consumer gives back unhandled. */
  returned(taken: Taken): void;
  /** Makes a dead letter of a record, durably; resolves to its place. */
  deadLetter?(taken: Taken, record: DeliveredRecord, cause: unknown): Promise<string>;
  /** Takes every failure, where a record is tried once and the failure is the answer. */
  failed?(taken: Taken, cause: unknown): void;
  /** Called when the consumer has room again. */
  wake(): void;
  /** Called once, when the consumer takes nothing any more. */
  detach(consumer: Consumer<Taken>): Promise<void>;
}

/** One subscription at work: hands records to its handler, several at once, and judges its faults. */
export class Consumer<Taken> implements Subscription {
  readonly #options: SubscribeOptions;
  readonly #policy: RetryPolicy;
  readonly #source: RecordSource<Taken>;
  readonly #inHand = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  /** After the time-out of `stop`: what a handler says then comes too late. */
  #isAbandoned = false;
  #haltedBy: unknown;
  #stopped: Promise<void> | undefined;

  constructor(options: SubscribeOptions, policy: RetryPolicy, source: RecordSource<Taken>) {
    this.#options = options;
    this.#policy = policy;
    this.#source = source;
  }

  get hasRoom(): boolean {
    return !this.#stop.signal.aborted && this.#inHand.size < this.#options.concurrency;
  }

  /** The fault that halted it, if one did. */
  get haltedBy(): unknown {
    return this.#haltedBy;
  }

  /** Takes a record in hand. MUST have room. */
  take(taken: Taken, record: DeliveredRecord): void {
    const work = this.#work(taken, record).finally(() => {
      this.#inHand.delete(work);
      this.#source.wake();
    });
    this.#inHand.add(work);
  }

  /** Stops delivery for good because of a fault of disposition `halt`. */
  halt(cause: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#haltedBy = cause;
    this.#stop.abort();
    const fault =
      cause instanceof Error
        ? cause
        : new CertmillError('FAULT_PROCESSING', 'a handler halted', { cause });
    this.#options.onHalt?.(fault);
  }

  stop(timeoutMs: number): Promise<void> {
    this.#stopped ??= this.#finish(timeoutMs);
    return this.#stopped;
  }

  async #finish(timeoutMs: number): Promise<void> {
    this.#stop.abort();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([Promise.all(this.#inHand), late]);
    clearTimeout(timer);
    this.#isAbandoned = true;
    await this.#source.detach(this);
  }

  async #work(taken: Taken, record: DeliveredRecord): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      let cause: unknown;
      try {
        await this.#options.handler(record);
        if (!this.#isAbandoned) this.#source.done(taken);
        return;
      } catch (error) {
        cause = error;
      }
      if (this.#isAbandoned) return;
      const outcome = await this.#judge(taken, record, cause, attempt);
      if (outcome !== 'retry') return;
      await pause(pauseMs(attempt, this.#policy), this.#stop.signal);
      if (this.#stop.signal.aborted) {
        this.#source.returned(taken);
        return;
      }
    }
  }

  /** Acts on a failure; `retry` where the record is to be tried again here. */
  async #judge(
    taken: Taken,
    record: DeliveredRecord,
    cause: unknown,
    attempt: number,
  ): Promise<FailureOutcome> {
    const source = this.#source;
    const outcome = outcomeOf(cause, attempt, this.#policy);
    if (outcome === 'halt') this.halt(cause);
    if (source.failed !== undefined) {
      source.failed(taken, cause);
      return 'halt';
    }
    if (outcome === 'halt') source.returned(taken);
    if (outcome !== 'dead-letter' || source.deadLetter === undefined) return outcome;
    try {
      const place = await source.deadLetter(taken, record, cause);
      await this.#options.onDeadLetter?.(record, cause, place);
      if (!this.#isAbandoned) source.done(taken);
      return outcome;
    } catch {
      // Without a durable dead letter the record is not handled: it stays in hand and is tried again.
      return 'retry';
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
