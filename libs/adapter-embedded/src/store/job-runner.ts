import type { Clock, Job, JobHandler, JobQueue } from '@certmill/ports';
import { longestPauseMs } from './job-table.js';
import type { StoreClient } from './store-client.js';

/** The pause after the first failure; it doubles with each further one. */
const firstRetryMs = 1_000;
/** How long a job that was put in by another process, or a clock that was set, goes unnoticed. */
const longestWaitMs = 1_000;

export interface JobRunnerOptions {
  readonly client: StoreClient;
  readonly clock: Clock;
  /** 0 to 1: spreads retries. */
  readonly random: () => number;
  readonly firstRetryMs?: number;
}

/** Runs the jobs of the store in this process; the store keeps them until they are done. */
export class JobRunner implements JobQueue {
  readonly #client: StoreClient;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #firstRetryMs: number;
  readonly #wakers = new Map<string, Set<() => void>>();
  readonly #stops = new Set<(timeoutMs: number) => Promise<void>>();

  constructor(options: JobRunnerOptions) {
    this.#client = options.client;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#firstRetryMs = options.firstRetryMs ?? firstRetryMs;
  }

  async add(queue: string, job: Job): Promise<void> {
    await this.#client.call('addJob', [queue, job, this.#clock.nowMs()]);
    for (const wake of this.#wakers.get(queue) ?? []) wake();
  }

  count(queue: string, state: 'waiting' | 'failed'): Promise<number> {
    return this.#client.call('countJobs', [queue, state]);
  }

  process(
    queue: string,
    options: { readonly concurrency: number; readonly attempts: number },
    handler: JobHandler,
  ): Promise<{ stop(timeoutMs: number): Promise<void> }> {
    const inHand = new Map<string, Promise<void>>();
    const stopping = new AbortController();
    const isStopping = (): boolean => stopping.signal.aborted;
    let wake = (): void => undefined;
    const notify = (): void => {
      wake();
    };
    const wakers = this.#wakers.get(queue) ?? new Set();
    this.#wakers.set(queue, wakers);
    wakers.add(notify);

    const work = async (job: Job, failures: number): Promise<void> => {
      try {
        const again = await handler(job);
        if (again === undefined) await this.#client.call('finishJob', [queue, job.id]);
        else await this.#client.call('postponeJob', [queue, job.id, again.againAtMs]);
      } catch {
        const isLast = failures + 1 >= options.attempts;
        const retryAtMs = isLast ? undefined : this.#clock.nowMs() + this.#pauseMs(failures);
        // Where even this fails the job is still waiting, and runs again.
        await this.#client.call('failJob', [queue, job.id, retryAtMs]).catch(() => undefined);
      } finally {
        inHand.delete(job.id);
        wake();
      }
    };
    const loop = async (): Promise<void> => {
      while (!isStopping()) {
        const woken = new Promise<void>((resolve) => {
          wake = resolve;
        });
        let waitMs = longestWaitMs;
        const free = options.concurrency - inHand.size;
        if (free > 0) {
          const now = this.#clock.nowMs();
          const args = [queue, now, free, [...inHand.keys()]] as const;
          const found = await this.#client.call('dueJobs', [...args]).catch(() => undefined);
          // Stopped meanwhile: nothing new is begun.
          const due = isStopping() ? [] : (found?.due ?? []);
          for (const { job, failures } of due) {
            inHand.set(job.id, work(job, failures));
          }
          waitMs = Math.min(longestWaitMs, Math.max(1, (found?.nextAtMs ?? Infinity) - now));
        }
        const timer = setTimeout(notify, waitMs);
        await woken;
        clearTimeout(timer);
      }
    };
    const running = loop();
    const stop = async (timeoutMs: number): Promise<void> => {
      stopping.abort();
      wakers.delete(notify);
      this.#stops.delete(stop);
      wake();
      const timeout = Promise.withResolvers<undefined>();
      const timer = setTimeout(timeout.resolve, timeoutMs, undefined);
      await Promise.race([
        running.then(() => Promise.allSettled(inHand.values())),
        timeout.promise,
      ]);
      clearTimeout(timer);
    };
    this.#stops.add(stop);
    return Promise.resolve({ stop });
  }

  /** Stops every queue at once: what is in hand runs again after the next start. */
  async stop(): Promise<void> {
    await Promise.all([...this.#stops].map((stop) => stop(0)));
  }

  #pauseMs(failures: number): number {
    const pauseMs = Math.min(longestPauseMs, this.#firstRetryMs * 2 ** failures);
    return Math.round(pauseMs * (0.5 + this.#random() / 2));
  }
}
