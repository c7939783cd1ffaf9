import { CertmillError, type FaultCode, type Lane } from '@certmill/domain';
import { TaskPool, type PackedTask, type TaskOutcome } from '../worker-pool/task-pool.js';
import { errorOfFault } from '../worker-pool/worker-fault.js';
import type { OpenSlotReply, SignReply, SignTask, SlotWorkerData } from './sign-messages.js';

/**
 * `ready` takes chunks; `resting` failed and waits for its next trial; `trying` opens its key;
 * `refused` holds another key than its issuer's and is not tried again; `stopped` is over.
 */
export type SlotState = 'ready' | 'resting' | 'trying' | 'refused' | 'stopped';

export interface SlotHealth {
  readonly issuer: string;
  readonly slot: string;
  readonly state: SlotState;
  /** Chunks that wait or run. */
  readonly outstanding: number;
  readonly signedChunks: number;
  readonly failures: number;
  /** Why it is not ready, for people. */
  readonly reason?: { readonly code: FaultCode; readonly message: string };
}

export interface SlotPoolOptions {
  readonly workerFile: URL;
  readonly data: SlotWorkerData;
  readonly threads: Readonly<Record<Lane, number>>;
  readonly maxQueue: number;
  readonly chunkTimeoutMs: number;
  /** Pause before the first trial after a failure; doubles up to `maxRestMs`. */
  readonly restMs: number;
  readonly maxRestMs: number;
  readonly onChange: (health: SlotHealth) => void;
}

export type SlotOutcome =
  | Exclude<SignReply, { readonly kind: 'slot-fault' }>
  /** The slot failed, before or while it had the chunk: nothing of it is released. */
  | { readonly kind: 'slot-lost'; readonly workerDied: boolean }
  | { readonly kind: 'overloaded' }
  | { readonly kind: 'stopping' };

/** One slot's workers, a pool per lane, behind a circuit breaker. */
export class SlotPool {
  private readonly options: SlotPoolOptions;
  private lanes: Readonly<Record<Lane, TaskPool>> | undefined;
  private state: SlotState = 'trying';
  private reason: CertmillError | undefined;
  private restMs: number;
  private trial: NodeJS.Timeout | undefined;
  /** Set from a trial until the first chunk after it came out right. */
  private isOnProbation = false;
  private signedChunks = 0;
  private failures = 0;
  /** Pools of earlier lives whose last chunks are still running. */
  private readonly retiring = new Set<Promise<void>>();

  constructor(options: SlotPoolOptions) {
    this.options = options;
    this.restMs = options.restMs;
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
      ...(this.reason === undefined
        ? {}
        : { reason: { code: this.reason.code, message: this.reason.message } }),
    };
  }

  outstanding(lane: Lane): number {
    return this.lanes?.[lane].outstanding ?? 0;
  }

  isFull(lane: Lane): boolean {
    return this.lanes?.[lane].isFull ?? true;
  }

  /** Starts the workers and opens the key in each; the fault where that fails. Never rejects. */
  async open(): Promise<CertmillError | undefined> {
    this.become('trying');
    const pool = (lane: Lane): TaskPool =>
      new TaskPool({
        lane,
        workerFile: this.options.workerFile,
        workerData: this.options.data,
        threads: this.options.threads[lane],
        maxQueue: this.options.maxQueue,
        taskTimeoutMs: this.options.chunkTimeoutMs,
      });
    const lanes = { bulk: pool('bulk'), interactive: pool('interactive') };
    this.lanes = lanes;
    const openings = Object.values(lanes).flatMap((lane) =>
      Array.from({ length: lane.threads }, () =>
        lane.run<OpenSlotReply>(() => ({
          handler: 'openSlot',
          message: undefined,
          transferList: [],
        })),
      ),
    );
    const faults = (await Promise.all(openings)).flatMap((outcome) => this.faultOf(outcome) ?? []);
    if (this.state !== 'trying') return new CertmillError('FAULT_STOPPING', 'the slot is stopping');
    const fault = faults.find(({ code }) => code === 'FAULT_KEY_MISMATCH') ?? faults[0];
    if (fault === undefined) {
      this.become('ready');
      return undefined;
    }
    this.fail(fault);
    return fault;
  }

  /** Signs a chunk, unless the slot is or goes out of service. */
  async sign(
    lane: Lane,
    received: Uint8Array,
    verdict: Uint8Array,
    profile: string,
  ): Promise<SlotOutcome> {
    const lanes = this.lanes;
    if (!this.isReady || lanes === undefined) return this.lost(false);
    const pack = (): PackedTask => {
      // The one copy of the hand-over: the caller keeps its bytes for another slot.
      const chunk = new Uint8Array(received.length + verdict.length);
      chunk.set(received);
      chunk.set(verdict, received.length);
      const message: SignTask = {
        chunk: chunk.buffer,
        receivedBytes: received.length,
        verifyAll: this.isOnProbation,
        profile,
      };
      return { handler: 'signChunk', message, transferList: [chunk.buffer] };
    };
    const outcome = await lanes[lane].run<SignReply>(pack, (ended) => {
      const fault = isBegun(ended) ? this.faultOf(ended) : undefined;
      // What an earlier life of the slot leaves behind says nothing about this one.
      if (fault !== undefined && this.lanes === lanes && this.isReady) this.fail(fault);
    });
    if (outcome.kind === 'overloaded') return outcome;
    if (outcome.kind === 'drained' || outcome.kind === 'stopping') return this.lost(false);
    if (outcome.kind !== 'done') return this.lost(outcome.kind === 'worker-lost');
    const { reply } = outcome;
    if (reply.kind === 'slot-fault') return this.lost(false);
    if (reply.kind === 'signed' && this.lanes === lanes) {
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

  private lost(workerDied: boolean): SlotOutcome {
    return this.state === 'stopped' ? { kind: 'stopping' } : { kind: 'slot-lost', workerDied };
  }

  /** Drains the slot and plans its next trial, unless it holds a wrong key. */
  private fail(fault: CertmillError): void {
    this.failures++;
    this.reason = fault;
    this.retire(this.options.chunkTimeoutMs);
    if (fault.code === 'FAULT_KEY_MISMATCH') {
      this.become('refused');
      return;
    }
    this.isOnProbation = true;
    this.trial = setTimeout(() => void this.open(), this.restMs);
    this.trial.unref();
    this.restMs = Math.min(this.restMs * 2, this.options.maxRestMs);
    this.become('resting');
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
    this.state = state;
    if (state === 'ready') this.reason = undefined;
    this.options.onChange(this.health);
  }

  private faultOf(outcome: TaskOutcome<OpenSlotReply | SignReply>): CertmillError | undefined {
    const { name } = this.options.data.slot;
    switch (outcome.kind) {
      case 'done':
        return outcome.reply.kind === 'slot-fault' ? errorOfFault(outcome.reply) : undefined;
      case 'worker-lost':
        return new CertmillError('FAULT_HSM_LOST', `a worker of slot ${name} died`, {
          cause: outcome.cause,
        });
      case 'timed-out':
        return new CertmillError('FAULT_HSM_LOST', `slot ${name} took too long`);
      case 'overloaded':
      case 'drained':
      case 'stopping':
        return new CertmillError('FAULT_STOPPING', `slot ${name} is stopping`);
    }
  }
}

function isBegun({ kind }: TaskOutcome<unknown>): boolean {
  return kind === 'done' || kind === 'worker-lost' || kind === 'timed-out';
}
