import { once } from 'node:events';
import type { ResourceLimits } from 'node:worker_threads';
import type { Lane } from '@certmill/domain';
import type { CpuMeter } from '@certmill/ports';
import { Piscina } from 'piscina';
import { holdExit, releaseExit } from './held-exit.js';

export interface TaskPoolOptions {
  /** The worker's entry module; its handlers are named exports that return data and never throw. */
  readonly workerFile: URL;
  /** Structured-cloned to every worker. */
  readonly workerData: unknown;
  readonly threads: number;
  /** Bulk threads give way to all others of the process wherever the system has niceness per thread. */
  readonly lane: Lane;
  /** Tasks that may wait beside the `threads` that run. */
  readonly maxQueue: number;
  /** A task that runs longer loses its worker, which is replaced. */
  readonly taskTimeoutMs: number;
  /** Of each worker's heap; one that needs more dies. 256 MiB where absent. */
  readonly resourceLimits?: ResourceLimits;
  /** Handler that each idle worker runs before it is ended, to give back what outlives a thread. */
  readonly closeHandler?: string;
}

/** Without it a single enrolment waits for the time slices of full bulk workers at every step. */
const bulkNiceness = 10;

/**
 * A worker holds a chunk at a time and some compiled profiles: tens of megabytes. What it allocates dies
 * at once, so a small young generation costs no CPU and saves 15 MB a thread (docs/performance.md).
 */
const defaultLimits: ResourceLimits = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 12 };

export interface PackedTask {
  /** Name of the worker's export. */
  readonly handler: string;
  readonly message: unknown;
  /** Buffers that move to the worker: the caller has no access to them afterwards. */
  readonly transferList: ArrayBuffer[];
}

/** How a task ended. Everything but `done` is a value, for what to do about it depends on the pool. */
export type TaskOutcome<R> =
  | { readonly kind: 'done'; readonly reply: R }
  /** Not begun: the queue is full. */
  | { readonly kind: 'overloaded' }
  /** Not begun: `drain` took it out of the queue. */
  | { readonly kind: 'drained' }
  /** Not begun, or cut off by `stop`. */
  | { readonly kind: 'stopping' }
  /** Begun: its worker died of it or beside it. */
  | { readonly kind: 'worker-lost'; readonly cause: unknown }
  /**
   * Begun: its worker was told to end when the time was over, and replaced. `threadEnd` resolves once
   * it has ended: at once from JavaScript, when the call returns from native code, which may be never.
   */
  | { readonly kind: 'timed-out'; readonly threadEnd: Promise<void> };

type Thread = Piscina['threads'][number];

interface WaitingTask {
  /** Called when a worker is free, so that a task that waits or moves on has copied nothing. */
  readonly pack: () => PackedTask;
  readonly timeoutMs: number;
  readonly settle: (outcome: TaskOutcome<unknown>) => void;
}

/**
 * A bounded queue before a Piscina pool. Piscina itself never queues for long: it gets at most as many
 * tasks as it has threads, so a time-out counts from a task's begin and waiting tasks can be taken back.
 */
export class TaskPool implements CpuMeter {
  private readonly options: TaskPoolOptions;
  private readonly piscina: Piscina;
  private readonly waiting: WaitingTask[] = [];
  private running = 0;
  private stopped: Promise<void> | undefined;
  private onIdle: (() => void) | undefined;

  constructor(options: TaskPoolOptions) {
    this.options = options;
    this.piscina = new Piscina({
      filename: options.workerFile.href,
      workerData: options.workerData,
      // This realm's environment, which a test runner or an embedder may have made its own.
      env: process.env,
      minThreads: options.threads,
      maxThreads: options.threads,
      // Only a task that waits for a replaced worker to start is ever in Piscina's own queue.
      maxQueue: options.threads,
      resourceLimits: options.resourceLimits ?? defaultLimits,
      recordTiming: false,
      niceIncrement: options.lane === 'bulk' ? bulkNiceness : 0,
    });
    // A worker that dies without a task: Piscina replaces it, and an unheard 'error' would throw.
    this.piscina.on('error', () => undefined);
  }

  /** Tasks that wait or run. */
  get outstanding(): number {
    return this.waiting.length + this.running;
  }

  /** Tasks that may wait or run. */
  get capacity(): number {
    return this.options.threads + this.options.maxQueue;
  }

  get threads(): number {
    return this.options.threads;
  }

  /** Of the workers that run now: what a lost one cost is not in it. */
  async cpuMicroseconds(): Promise<number> {
    const usages = await Promise.all(this.piscina.threads.map((worker) => worker.cpuUsage()));
    return usages.reduce((total, { user, system }) => total + user + system, 0);
  }

  /** Whether a task would be refused now. */
  get isFull(): boolean {
    return this.running >= this.options.threads && this.waiting.length >= this.options.maxQueue;
  }

  /**
   * Never rejects. The reply is whatever the handler returned: R is the caller's knowledge.
   * @param onEnd hears of the outcome before the next task begins, so that it can `drain`.
   * @param timeoutMs instead of the pool's `taskTimeoutMs`.
   */
  run<R>(
    pack: () => PackedTask,
    onEnd?: (outcome: TaskOutcome<R>) => void,
    timeoutMs = this.options.taskTimeoutMs,
  ): Promise<TaskOutcome<R>> {
    if (this.stopped !== undefined) return Promise.resolve({ kind: 'stopping' });
    if (this.isFull) return Promise.resolve({ kind: 'overloaded' });
    return new Promise((resolve) => {
      const settle = (outcome: TaskOutcome<R>): void => {
        onEnd?.(outcome);
        resolve(outcome);
      };
      this.waiting.push({ pack, timeoutMs, settle: settle as WaitingTask['settle'] });
      this.dispatch();
    });
  }

  /** Takes back what waits; what runs may end. */
  drain(): void {
    for (const task of this.waiting.splice(0)) task.settle({ kind: 'drained' });
  }

  /** Ends what waits, waits for what runs, at most `timeoutMs`, and ends the threads. Idempotent. */
  stop(timeoutMs: number): Promise<void> {
    this.stopped ??= this.stopOnce(timeoutMs);
    return this.stopped;
  }

  private dispatch(): void {
    while (this.running < this.options.threads && this.stopped === undefined) {
      const task = this.waiting.shift();
      if (task === undefined) return;
      this.running++;
      void this.execute(task).then((outcome) => {
        this.running--;
        task.settle(outcome);
        this.dispatch();
        if (this.running === 0) this.onIdle?.();
      });
    }
  }

  private async execute(task: WaitingTask): Promise<TaskOutcome<unknown>> {
    const { pack, timeoutMs } = task;
    const timeout = new AbortController();
    let threadEnd = Promise.resolve();
    const timer = setTimeout(() => {
      const threads = this.piscina.threads;
      timeout.abort();
      const left = new Set(this.piscina.threads);
      const abandoned = threads.find((thread) => !left.has(thread));
      if (abandoned !== undefined) threadEnd = this.endOf(abandoned);
    }, timeoutMs);
    holdExit(task);
    try {
      const { handler, message, transferList } = pack();
      const reply: unknown = await this.piscina.run(message, {
        name: handler,
        transferList,
        signal: timeout.signal,
      });
      return { kind: 'done', reply };
    } catch (cause) {
      if (timeout.signal.aborted) return { kind: 'timed-out', threadEnd };
      return this.stopped === undefined ? { kind: 'worker-lost', cause } : { kind: 'stopping' };
    } finally {
      clearTimeout(timer);
      releaseExit(task);
    }
  }

  private async stopOnce(timeoutMs: number): Promise<void> {
    for (const task of this.waiting.splice(0)) task.settle({ kind: 'stopping' });
    let timer: NodeJS.Timeout | undefined;
    const expired = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    if (this.running > 0) {
      const idle = new Promise<void>((resolve) => {
        this.onIdle = resolve;
      });
      await Promise.race([idle, expired]);
    }
    if (this.running === 0) await Promise.race([this.closeWorkers(), expired]);
    // A worker inside a native call ends only when the call returns, which may be never.
    const threads = this.piscina.threads;
    const destroyed = this.piscina.destroy();
    for (const thread of threads) void abandon(thread);
    await Promise.race([destroyed, expired]);
    clearTimeout(timer);
  }

  private async closeWorkers(): Promise<void> {
    const { closeHandler, threads } = this.options;
    if (closeHandler === undefined) return;
    const closing = Array.from({ length: threads }, () =>
      this.piscina.run(undefined, { name: closeHandler }),
    );
    await Promise.allSettled(closing);
  }

  private async endOf(thread: Thread): Promise<void> {
    await abandon(thread);
    // Piscina replaces a worker that ends late even where the pool was destroyed before.
    if (this.stopped !== undefined) void this.stopped.then(() => this.piscina.destroy());
  }
}

/** Resolves once the thread, which was told to end, has ended. Nothing else waits for that, nor does the process. */
async function abandon(thread: Thread): Promise<void> {
  thread.unref();
  // Piscina refs a thread once more when its port has closed.
  thread.ref = () => undefined;
  holdExit(thread);
  await once(thread, 'exit');
  releaseExit(thread);
}
