import { CertmillError, type FaultCode, type Lane } from '@certmill/domain';
import { latchMemories } from '../slots/shared-latch.js';
import { TaskPool, type PackedTask, type TaskOutcome } from '../worker-pool/task-pool.js';
import { errorOfFault } from '../worker-pool/worker-fault.js';
import { UsageMeter, type SlotUsage } from './slot-usage.js';
import type { KeyTask } from './key-task.js';
import type {
  KeyTaskKind,
  KeyTaskMessage,
  KeyTaskReply,
  OpenSlotReply,
  SlotWorkerData,
} from './sign-messages.js';

/**
 * `ready` takes chunks; `resting` failed and waits for its next trial; `trying` opens its key; `hung`
 * has a thread that cannot be ended, and rests once it has; `refused` holds another key than its
 * issuer's, or refuses the PIN, and is not tried again; `stopped` is over.
 */
export type SlotState = 'ready' | 'resting' | 'trying' | 'hung' | 'refused' | 'stopped';

export interface SlotHealth {
  readonly issuer: string;
  readonly slot: string;
  readonly state: SlotState;
  /** Tasks that wait or run. */
  readonly outstanding: number;
  readonly signedChunks: number;
  /** Times that it went out of service. */
  readonly failures: number;
  /** Threads that hold the key open. */
  readonly sessions: number;
  /** Threads that were told to end and have not: the process ends by `endProcess` only. */
  readonly hungThreads: number;
  readonly usage: SlotUsage;
  /** Why it is not ready, for people. */
  readonly reason?: { readonly code: FaultCode; readonly message: string };
}

export interface SlotPoolOptions {
  readonly workerFile: URL;
  readonly data: Omit<SlotWorkerData, 'latches' | 'latchOwner'>;
  /** A lane without a number has no workers. */
  readonly threads: Readonly<Partial<Record<Lane, number>>>;
  readonly maxQueue: number;
  readonly chunkTimeoutMs: number;
  readonly openTimeoutMs: number;
  /** Pause before the first trial after a failure; doubles up to `maxRestMs`. */
  readonly restMs: number;
  readonly maxRestMs: number;
  readonly onChange: (health: SlotHealth) => void;
  /** Told once per hanging; only of one that began with a chunk in hand. */
  readonly onHung: (health: SlotHealth) => void;
}

export type SlotOutcome<K extends KeyTaskKind> =
  | Exclude<KeyTaskReply<K>, { readonly kind: 'slot-fault' }>
  /** The slot failed, before or while it had the task: nothing of it is released. */
  | { readonly kind: 'slot-lost'; readonly workerDied: boolean }
  | { readonly kind: 'overloaded' }
  | { readonly kind: 'stopping' };

/** A thread that can be ended has ended by then, on a machine that is full too. */
const hungAfterMs = 1_000;

/** In this process, so far. */
let latchOwners = 0;

/** One slot's workers, a pool per lane, behind a circuit breaker. */
export class SlotPool {
  private readonly options: SlotPoolOptions;
  /** Of all its lives: a new one begins when no thread of those before is left. */
  private readonly latchOwner = (latchOwners += 1);
  private lanes: Readonly<Partial<Record<Lane, TaskPool>>> | undefined;
  private state: SlotState = 'trying';
  private reason: CertmillError | undefined;
  private restMs: number;
  private trial: NodeJS.Timeout | undefined;
  /** Set from a trial until the first chunk after it came out right. */
  private isOnProbation = false;
  private signedChunks = 0;
  private failures = 0;
  private readonly meter = new UsageMeter();
  /** Ends of threads that were told to end. */
  private readonly ending = new Set<Promise<void>>();
  /** Pools of earlier lives whose last chunks are still running. */
  private readonly retiring = new Set<Promise<void>>();

  constructor(options: SlotPoolOptions) {
    this.options = options;
    this.restMs = options.restMs;
  }

  get name(): string {
    return this.options.data.slot.name;
  }

  async cpuMicroseconds(): Promise<number> {
    const pools = Object.values(this.lanes ?? {});
    const usages = await Promise.all(pools.map((pool) => pool.cpuMicroseconds()));
    return usages.reduce((total, usage) => total + usage, 0);
  }

  get isStopped(): boolean {
    return this.state === 'stopped';
  }

  get isReady(): boolean {
    return this.state === 'ready';
  }

  /** The fault that keeps the slot out for good, if one does. */
  get refusal(): CertmillError | undefined {
    return this.state === 'refused' ? this.reason : undefined;
  }

  get health(): SlotHealth {
    const { issuerName, slot } = this.options.data;
    const lanes = Object.values(this.lanes ?? {});
    return {
      issuer: issuerName,
      slot: slot.name,
      state: this.state,
      outstanding: lanes.reduce((sum, pool) => sum + pool.outstanding, 0),
      signedChunks: this.signedChunks,
      failures: this.failures,
      sessions: this.isReady ? lanes.reduce((sum, pool) => sum + pool.threads, 0) : 0,
      hungThreads: this.ending.size,
      usage: this.meter.usage,
      ...(this.reason === undefined
        ? {}
        : { reason: { code: this.reason.code, message: this.reason.message } }),
    };
  }

  outstanding(lane: Lane): number {
    return this.lanes?.[lane]?.outstanding ?? 0;
  }

  isFull(lane: Lane): boolean {
    return this.lanes?.[lane]?.isFull ?? true;
  }

  /** Starts the workers and opens the key in each; the fault where that fails. Never rejects. */
  async open(): Promise<CertmillError | undefined> {
    this.become('trying');
    const latches = latchMemories(this.options.data.slot.latches ?? [], this.latchOwner);
    const pool = (lane: Lane, threads: number): TaskPool =>
      new TaskPool({
        lane,
        workerFile: this.options.workerFile,
        workerData: {
          ...this.options.data,
          latches,
          latchOwner: this.latchOwner,
        } satisfies SlotWorkerData,
        threads,
        maxQueue: this.options.maxQueue,
        taskTimeoutMs: this.options.chunkTimeoutMs,
        closeHandler: 'closeSlot',
      });
    const { bulk, interactive } = this.options.threads;
    const lanes = {
      ...(bulk === undefined ? {} : { bulk: pool('bulk', bulk) }),
      ...(interactive === undefined ? {} : { interactive: pool('interactive', interactive) }),
    };
    this.lanes = lanes;
    // Interactive first: threads that a module starts for itself inherit the niceness of its opener.
    const faults = await this.openLane(lanes.interactive);
    if (faults.length === 0) faults.push(...(await this.openLane(lanes.bulk)));
    if (this.state !== 'trying') return new CertmillError('FAULT_STOPPING', 'the slot is stopping');
    const fault = faults.find(({ code }) => code === 'FAULT_KEY_MISMATCH') ?? faults[0];
    if (fault === undefined) {
      this.become('ready');
      return undefined;
    }
    this.fail(fault);
    return fault;
  }

  /** Runs a task, unless the slot is or goes out of service. */
  async run<K extends KeyTaskKind>(task: KeyTask<K>): Promise<SlotOutcome<K>> {
    const lanes = this.lanes;
    const workers = lanes?.[task.lane];
    if (!this.isReady || workers === undefined) return this.lost(false);
    const pack = (): PackedTask => {
      const { input, transferList } = task.pack();
      const message: KeyTaskMessage<K> = { input, verifyAll: this.isOnProbation };
      return { handler: task.kind, message, transferList };
    };
    const hearEnd = (ended: TaskOutcome<KeyTaskReply<K>>): void => {
      if (ended.kind === 'timed-out') this.awaitEnd(ended.threadEnd, true);
      const fault = isBegun(ended) ? this.faultOf(ended) : undefined;
      // What an earlier life of the slot leaves behind says nothing about this one.
      if (fault !== undefined && this.lanes === lanes && this.isReady) this.fail(fault);
    };
    const timeoutMs = this.options.chunkTimeoutMs * task.timeouts;
    const outcome = await workers.run<KeyTaskReply<K>>(pack, hearEnd, timeoutMs);
    if (outcome.kind === 'overloaded') return outcome;
    if (outcome.kind === 'drained' || outcome.kind === 'stopping') return this.lost(false);
    if (outcome.kind !== 'done') return this.lost(outcome.kind === 'worker-lost');
    const { reply } = outcome;
    if (reply.kind === 'slot-fault') return this.lost(false);
    if (reply.kind === 'done') this.meter.add(reply.usage);
    if (reply.kind === 'done' && this.lanes === lanes) {
      this.signedChunks++;
      this.isOnProbation = false;
      this.restMs = this.options.restMs;
    }
    return reply;
  }

  async stop(timeoutMs: number): Promise<void> {
    clearTimeout(this.trial);
    this.retire(timeoutMs);
    if (!this.isStopped) this.become('stopped');
    let timer: NodeJS.Timeout | undefined;
    const expired = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([Promise.all(this.retiring), expired]);
    clearTimeout(timer);
  }

  private lost(
    workerDied: boolean,
  ): Extract<SlotOutcome<never>, { kind: 'slot-lost' | 'stopping' }> {
    return this.state === 'stopped' ? { kind: 'stopping' } : { kind: 'slot-lost', workerDied };
  }

  private async openLane(lane: TaskPool | undefined): Promise<CertmillError[]> {
    if (lane === undefined) return [];
    const openings = Array.from({ length: lane.threads }, () =>
      lane.run<OpenSlotReply>(
        () => ({ handler: 'openSlot', message: undefined, transferList: [] }),
        (ended) => {
          if (ended.kind === 'timed-out') this.awaitEnd(ended.threadEnd, false);
        },
        this.options.openTimeoutMs,
      ),
    );
    return (await Promise.all(openings)).flatMap((outcome) => this.faultOf(outcome) ?? []);
  }

  /** Drains the slot and plans its next trial, unless it must not be tried again. */
  private fail(fault: CertmillError): void {
    this.failures++;
    this.reason = fault;
    this.retire(this.options.chunkTimeoutMs);
    if (isFinal(fault)) {
      this.become('refused');
      return;
    }
    this.isOnProbation = true;
    this.rest();
  }

  /** Plans the next trial, once no thread of the slot is left that was told to end. */
  private rest(): void {
    clearTimeout(this.trial);
    if (this.ending.size === 0) {
      this.trial = setTimeout(() => void this.open(), this.restMs);
      this.trial.unref();
      this.restMs = Math.min(this.restMs * 2, this.options.maxRestMs);
    }
    this.become('resting');
  }

  /** Follows a thread that was told to end: one that does not, hangs, and so does the slot. */
  private awaitEnd(threadEnd: Promise<void>, hadChunk: boolean): void {
    this.ending.add(threadEnd);
    const timer = setTimeout(() => {
      this.hang(hadChunk);
    }, hungAfterMs);
    void threadEnd.then(() => {
      clearTimeout(timer);
      this.ending.delete(threadEnd);
      const waits = this.state === 'resting' || this.state === 'hung';
      if (waits && this.ending.size === 0) this.rest();
    });
  }

  /** The thread is abandoned: nothing waits for it. */
  private hang(hadChunk: boolean): void {
    if (this.state === 'hung' || this.state === 'refused' || this.state === 'stopped') return;
    clearTimeout(this.trial);
    this.retire(this.options.chunkTimeoutMs);
    this.reason ??= this.tookTooLong();
    this.become('hung');
    if (hadChunk) this.options.onHung(this.health);
  }

  private retire(timeoutMs: number): void {
    const lanes = Object.values(this.lanes ?? {});
    this.lanes = undefined;
    for (const pool of lanes) {
      pool.drain();
      const retired = pool.stop(timeoutMs).then(() => {
        this.retiring.delete(retired);
      });
      this.retiring.add(retired);
    }
  }

  private become(state: SlotState): void {
    if (state === this.state && state !== 'trying') return;
    this.state = state;
    if (state === 'ready') this.reason = undefined;
    this.options.onChange(this.health);
  }

  private tookTooLong(): CertmillError {
    return new CertmillError('FAULT_HSM_LOST', `slot ${this.options.data.slot.name} took too long`);
  }

  private faultOf(outcome: TaskOutcome<OpenSlotReply | KeyTaskReply>): CertmillError | undefined {
    const { name } = this.options.data.slot;
    switch (outcome.kind) {
      case 'done':
        return outcome.reply.kind === 'slot-fault' ? errorOfFault(outcome.reply) : undefined;
      case 'worker-lost':
        return new CertmillError('FAULT_HSM_LOST', `a worker of slot ${name} died`, {
          cause: outcome.cause,
        });
      case 'timed-out':
        return this.tookTooLong();
      case 'overloaded':
      case 'drained':
      case 'stopping':
        return new CertmillError('FAULT_STOPPING', `slot ${name} is stopping`);
    }
  }
}

function isFinal({ code }: CertmillError): boolean {
  return code === 'FAULT_KEY_MISMATCH' || code === 'FAULT_HSM_REFUSED';
}

function isBegun({ kind }: TaskOutcome<unknown>): boolean {
  return kind === 'done' || kind === 'worker-lost' || kind === 'timed-out';
}
