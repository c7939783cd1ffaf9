import { CertmillError } from '@certmill/domain';
import type { Clock, Job, JobHandler, JobQueue, Stoppable } from '@certmill/ports';
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { bullJobId, bullJobOptions, checkQueueName, jobName } from './job-shape.js';
import { JobWorker, longestPauseMs } from './job-worker.js';
import { whenReady } from './redis-client.js';
import { redisFault } from './redis-fault.js';
import type { RedisAddress } from './redis-server.js';

/** Of a queue's own history, which BullMQ keeps in a stream and nobody here reads. */
const keptEvents = 1_000;

/**
 * Takes a job out of those that failed, or that wait for a time which a clock that was ahead has set, so that it can be
 * added anew. BullMQ has no call that does this only to such a job, and of several adders one may have added it again
 * meanwhile. A delayed job's score is its time by 4,096.
 * KEYS: the failed jobs of the queue, the job, the delayed ones. ARGV: the job's id, the latest time that is kept.
 */
const makeRoomForJob = `
if redis.call('ZREM', KEYS[1], ARGV[1]) == 1 then redis.call('DEL', KEYS[2]) end
local score = redis.call('ZSCORE', KEYS[3], ARGV[1])
if score and tonumber(score) / 0x1000 > tonumber(ARGV[2]) then
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('DEL', KEYS[2])
end
return 0`;

export interface BullmqQueueOptions {
  /** Connected; the queue owns it. */
  readonly client: Redis;
  readonly address: RedisAddress;
  readonly prefix: string;
  readonly callTimeoutMs: number;
  readonly firstRetryMs: number;
  readonly lockMs: number;
  readonly keptFailures: number;
  readonly asksForServer: boolean;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onFault: (fault: CertmillError) => void;
}

/** Jobs in Redis, run by BullMQ; any number of processes share its queues. */
export class BullmqQueue implements JobQueue, Stoppable {
  readonly #options: BullmqQueueOptions;
  readonly #client: Redis;
  readonly #queues = new Map<string, Queue>();
  readonly #workers = new Set<JobWorker>();
  /** So that an outage is told once, not once per attempt and connection. */
  #isAway = false;
  #stopped: Promise<void> | undefined;

  constructor(options: BullmqQueueOptions) {
    this.#options = options;
    this.#client = options.client;
    this.#client.on('error', (error) => this.#tell(error));
    // A server that ends in good order closes its connections without an error.
    this.#client.on('close', () => this.#tell(undefined));
    this.#client.on('ready', () => {
      this.#isAway = false;
    });
  }

  async add(queue: string, job: Job): Promise<void> {
    checkQueueName(queue);
    const jobId = bullJobId(job.id);
    await this.#call('add a job', async () => {
      const jobs = this.#queueNamed(queue);
      const nowMs = this.#options.clock.nowMs();
      const latestMs = (job.runAtMs ?? nowMs) + longestPauseMs;
      const keys = [jobs.toKey('failed'), jobs.toKey(jobId), jobs.toKey('delayed')] as const;
      await this.#client.eval(makeRoomForJob, keys.length, ...keys, jobId, latestMs);
      await jobs.add(jobName, job.data, bullJobOptions(job, nowMs));
    });
  }

  count(queue: string, state: 'waiting' | 'failed'): Promise<number> {
    checkQueueName(queue);
    return this.#call('count jobs', () => {
      const jobs = this.#queueNamed(queue);
      // As in the other wiring, a job that runs has not ended: it counts as waiting.
      return state === 'failed'
        ? jobs.getJobCountByTypes('failed')
        : jobs.getJobCountByTypes('wait', 'delayed', 'prioritized', 'active');
    });
  }

  process(
    queue: string,
    options: { readonly concurrency: number; readonly attempts: number },
    handler: JobHandler,
  ): Promise<{ stop(timeoutMs: number): Promise<void> }> {
    checkQueueName(queue);
    if (this.#stopped !== undefined) return Promise.reject(stopping());
    const worker = new JobWorker({
      ...this.#options,
      ...options,
      queue,
      handler,
      onError: (error) => this.#tell(error),
    });
    this.#workers.add(worker);
    const stop = async (timeoutMs: number): Promise<void> => {
      await worker.stop(timeoutMs);
      this.#workers.delete(worker);
    };
    return Promise.resolve({ stop });
  }

  stop(timeoutMs: number): Promise<void> {
    this.#stopped ??= this.#stop(timeoutMs);
    return this.#stopped;
  }

  async #stop(timeoutMs: number): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.stop(timeoutMs)));
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
    this.#client.disconnect();
  }

  #queueNamed(name: string): Queue {
    const known = this.#queues.get(name);
    if (known !== undefined) return known;
    const queue = new Queue(name, {
      connection: this.#client,
      prefix: this.#options.prefix,
      // Asked already, and an answer that fails here would stay for ever.
      skipVersionCheck: true,
      streams: { events: { maxLen: keptEvents } },
    });
    // The errors of the connection, which the client tells itself.
    queue.on('error', () => undefined);
    this.#queues.set(name, queue);
    return queue;
  }

  /** Ends in time, with a fault where it fails. */
  async #call<T>(what: string, call: () => Promise<T>): Promise<T> {
    if (this.#stopped !== undefined) throw stopping();
    const { callTimeoutMs } = this.#options;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new DOMException('no answer', 'TimeoutError'));
    }, callTimeoutMs);
    try {
      const ready = whenReady(this.#client, callTimeoutMs, what);
      return await Promise.race([ready.then(call), late.promise]);
    } catch (error) {
      throw redisFault(error, what);
    } finally {
      clearTimeout(timer);
    }
  }

  #tell(error: unknown): void {
    if (this.#stopped !== undefined) return;
    const fault = redisFault(error, 'work on jobs');
    if (fault.code === 'FAULT_BUS_DOWN') {
      if (this.#isAway) return;
      this.#isAway = true;
    }
    this.#options.onFault(fault);
  }
}

function stopping(): CertmillError {
  return new CertmillError('FAULT_STOPPING', 'the job queue is stopping');
}
