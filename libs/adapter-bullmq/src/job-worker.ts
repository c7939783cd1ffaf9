import { CertmillError, isCertmillError } from '@certmill/domain';
import type { JobHandler, RunAgain } from '@certmill/ports';
import {
  DelayedError,
  ErrorCode,
  UnrecoverableError,
  WaitingError,
  Worker,
  type Job as BullJob,
} from 'bullmq';
import { jobOf } from './job-shape.js';
import { WorkerClient } from './redis-client.js';
import type { RedisAddress } from './redis-server.js';
import { within } from './within.js';

/** Between two runs of a job that fails. */
export const longestPauseMs = 10 * 60_000;
/** What a stop may take on top of its time-out, to give jobs back and to close what is open. */
const lettingGoMs = 1_000;
/** How long BullMQ waits before it repeats a call whose connection broke. */
const afterErrorMs = 1_000;

export interface JobWorkerOptions {
  readonly queue: string;
  readonly address: RedisAddress;
  readonly prefix: string;
  readonly concurrency: number;
  readonly attempts: number;
  readonly firstRetryMs: number;
  readonly lockMs: number;
  readonly keptFailures: number;
  /** False keeps BullMQ from printing warnings about the server, at the price of later wake-ups. */
  readonly asksForServer: boolean;
  /** 0 to 1: spreads retries. */
  readonly random: () => number;
  readonly handler: JobHandler;
  /** The worker goes on after it. */
  readonly onError: (error: unknown) => void;
}

/** A job whose handler has not ended. */
interface JobInHand {
  readonly job: BullJob;
  readonly token: string;
  readonly ended: Promise<undefined>;
  /** Ends the wait for its handler. One per job: a shared promise would keep what all of them ended with. */
  readonly abandon: () => void;
}

/** Runs the jobs of one queue in this process until it is stopped. */
export class JobWorker {
  readonly #options: JobWorkerOptions;
  readonly #client: WorkerClient;
  readonly #worker: Worker;
  readonly #inHand = new Set<JobInHand>();
  #stopped: Promise<void> | undefined;

  constructor(options: JobWorkerOptions) {
    this.#options = options;
    this.#client = new WorkerClient(options.address);
    this.#worker = new Worker(options.queue, (job, token = '') => this.#run(job, token), {
      connection: this.#client,
      prefix: options.prefix,
      concurrency: options.concurrency,
      lockDuration: options.lockMs,
      stalledInterval: options.lockMs,
      // A job whose process was killed has not failed: it runs again, however often.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      runRetryDelay: afterErrorMs,
      skipVersionCheck: !options.asksForServer,
      settings: { backoffStrategy: (failures) => this.#pauseMs(failures) },
      removeOnComplete: { count: 0 },
      removeOnFail: { count: options.keptFailures },
    });
    this.#worker.on('error', (error) => {
      // Redis kept how a job ended, its answer was lost, and the call was repeated.
      const isKnown = 'code' in error && error.code === ErrorCode.JobNotExist;
      // Connections that are cut complain.
      if (!isKnown && this.#stopped === undefined) options.onError(error);
    });
  }

  /**
   * Begins nothing new, and waits for what is in hand; what is not done by then goes back to the queue,
   * and runs again elsewhere at once, or where Redis is away when its lock has run out.
   */
  stop(timeoutMs: number): Promise<void> {
    this.#stopped ??= this.#stop(timeoutMs);
    return this.#stopped;
  }

  async #stop(timeoutMs: number): Promise<void> {
    await this.#worker.pause(true);
    const ended = [...this.#inHand].map((entry) => entry.ended);
    await within(timeoutMs, Promise.all(ended));
    const givenBack = [...this.#inHand].map(({ job, token }) => job.moveToWait(token));
    await within(lettingGoMs / 2, Promise.allSettled(givenBack));
    for (const { abandon } of this.#inHand) abandon();
    // Unforced, BullMQ waits until Redis knows how every job ended; never, where it is away.
    await within(lettingGoMs / 2, this.#worker.close(!this.#client.isReady));
    this.#client.cut();
  }

  async #run(job: BullJob, token: string): Promise<void> {
    if (this.#stopped !== undefined) {
      // BullMQ had asked for it before it was told to stop.
      await within(lettingGoMs / 2, job.moveToWait(token));
      throw new WaitingError();
    }
    const { promise: ended, resolve: end } = Promise.withResolvers<undefined>();
    const { promise: abandoned, resolve } = Promise.withResolvers<'abandoned'>();
    const entry: JobInHand = { job, token, ended, abandon: () => resolve('abandoned') };
    this.#inHand.add(entry);
    const outcome = await Promise.race([this.#handle(job), abandoned]);
    this.#inHand.delete(entry);
    end(undefined);
    // The job is back in the queue, whatever its handler still does.
    if (outcome === 'abandoned') throw new WaitingError();
    if (outcome === undefined) return;
    if ('againAtMs' in outcome) {
      await job.moveToDelayed(outcome.againAtMs, token);
      throw new DelayedError();
    }
    // What is stored and shown beside a failed job is a code: no foreign text, no secret.
    throw job.attemptsMade + 1 >= this.#options.attempts
      ? new UnrecoverableError(outcome.code)
      : outcome;
  }

  /** Never rejects, for nobody may be waiting for it any more. */
  async #handle(job: BullJob): Promise<RunAgain | CertmillError | undefined> {
    try {
      return (await this.#options.handler(jobOf(job))) ?? undefined;
    } catch (error) {
      const code = isCertmillError(error) ? error.code : 'FAULT_PROCESSING';
      return new CertmillError(code, code, { cause: error });
    }
  }

  #pauseMs(failures: number): number {
    const pauseMs = Math.min(longestPauseMs, this.#options.firstRetryMs * 2 ** (failures - 1));
    return Math.round(pauseMs * (0.5 + this.#options.random() / 2));
  }
}
