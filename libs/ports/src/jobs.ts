/** Timed and retried work off the main path: webhooks, CRLs, exports. Jobs carry ids, never content. */
export interface Job {
  /** Unique per queue; adding it twice is one job. No `:` (BullMQ refuses it). */
  readonly id: string;
  readonly data: Readonly<Record<string, string | number>>;
  /** Earliest run; now where absent. */
  readonly runAtMs?: number;
}

/** What a handler answers that wants its job to run again: it has not failed, and is one job still. */
export interface RunAgain {
  readonly againAtMs: number;
}

// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- most want nothing, and say nothing
export type JobHandler = (job: Job) => Promise<RunAgain | undefined | void>;

export interface JobQueue {
  /**
   * Durable before it resolves; insert if absent by id among waiting jobs. One that waits for more than 10 minutes
   * longer, which is longer than any pause, gives way: its time may be of a clock that was ahead.
   */
  add(queue: string, job: Job): Promise<void>;
  /** At-least-once: a handler that rejects is retried with growing pauses up to `attempts`, then kept as failed. */
  process(
    queue: string,
    options: { readonly concurrency: number; readonly attempts: number },
    handler: JobHandler,
  ): Promise<{ stop(timeoutMs: number): Promise<void> }>;
  count(queue: string, state: 'waiting' | 'failed'): Promise<number>;
}

/** The time, passed in everywhere so that a stage can be replayed. */
export interface Clock {
  nowMs(): number;
}
