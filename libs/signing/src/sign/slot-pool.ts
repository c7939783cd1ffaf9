import { CertmillError, type FaultCode, type Lane, type SerialKey } from '@certmill/domain';
import { latchMemories } from '../slots/shared-latch.js';
import type { SlotPlace } from '../slots/signing-slot.js';
import { TaskPool, type PackedTask, type TaskOutcome } from '../worker-pool/task-pool.js';
import { errorOfFault } from '../worker-pool/worker-fault.js';
import { UsageMeter, type SlotUsage } from './slot-usage.js';
import { isFinal, isOfOneKey, type IssuerSlot, type RestTimes } from './issuer-slot.js';
import type { KeyTask } from './key-task.js';
import { PlaceKeys } from './place-keys.js';
import type {
  KeyTaskKind,
  KeyTaskMessage,
  KeyTaskReply,
  OpenIssuerReply,
  SlotWorkerData,
} from './sign-messages.js';

/**
 * `new` was never opened; `ready` takes tasks; `resting` failed and waits for its next trial; `trying`
 * opens keys; `hung` has a thread that cannot be ended, and rests once it has; `refused` refuses the PIN
 * and is not tried again; `stopped` is over.
 */
export type SlotState = 'new' | 'ready' | 'resting' | 'trying' | 'hung' | 'refused' | 'stopped';

/** A place as it is now. What is wrong with single keys in it is in `IssuerSlotHealth`. */
export interface SlotHealth {
  /** The place's name. */
  readonly slot: string;
  readonly state: SlotState;
  /** Tasks that wait or run. */
  readonly outstanding: number;
  readonly signedChunks: number;
  /** Times that it went out of service. */
  readonly failures: number;
  /** Threads that hold keys open. */
  readonly sessions: number;
  /** Threads that were told to end and have not. */
  readonly hungThreads: number;
  readonly usage: SlotUsage;
  /** Why it is not ready, for people. */
  readonly reason?: { readonly code: FaultCode; readonly message: string };
}

export interface SlotPoolOptions {
  readonly place: SlotPlace;
  readonly workerFile: URL;
  readonly serialKeys: readonly SerialKey[];
  /** A lane without a number has no workers. */
  readonly threads: Readonly<Partial<Record<Lane, number>>>;
  readonly maxQueue: number;
  readonly chunkTimeoutMs: number;
  /** Of one key. */
  readonly openTimeoutMs: number;
  /** Of the place, before each of its trials. */
  readonly rest: RestTimes;
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

type Lanes = Readonly<Partial<Record<Lane, TaskPool>>>;

/** A key could not be used: by its own fault, by its place's, or by either. */
interface KeyFailure {
  readonly key: IssuerSlot;
  readonly fault: CertmillError;
  readonly blame: 'key' | 'place' | 'unclear';
}

/** A thread that can be ended has ended by then, on a machine that is full too. */
const hungAfterMs = 1_000;

/** In this process, so far. */
let latchOwners = 0;

/**
 * The workers of a place, a pool per lane, behind a circuit breaker. Any of its workers opens any of its
 * issuers' keys when it first needs it.
 */
export class SlotPool {
  private readonly options: SlotPoolOptions;
  /** Of all its lives: a new one begins when no thread of those before is left. */
  private readonly latchOwner = (latchOwners += 1);
  private lanes: Lanes | undefined;
  private state: SlotState = 'new';
  private reason: CertmillError | undefined;
  private restMs: number;
  private trial: NodeJS.Timeout | undefined;
  /** Set from a failure until the first task after it came out right. */
  private isOnProbation = false;
  private signedChunks = 0;
  private failures = 0;
  private readonly meter = new UsageMeter();
  private readonly keys = new PlaceKeys();
  /** Ends of threads that were told to end. */
  private readonly ending = new Set<Promise<void>>();
  /** Pools of earlier lives whose last chunks are still running. */
  private readonly retiring = new Set<Promise<void>>();

  constructor(options: SlotPoolOptions) {
    this.options = options;
    this.restMs = options.rest.restMs;
  }

  get name(): string {
    return this.options.place.name;
  }

  async cpuMicroseconds(): Promise<number> {
    const pools = Object.values(this.lanes ?? {});
    const usages = await Promise.all(pools.map((pool) => pool.cpuMicroseconds()));
    return usages.reduce((total, usage) => total + usage, 0);
  }

  /** It was never opened. */
  get isNew(): boolean {
    return this.state === 'new';
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
    const lanes = Object.values(this.lanes ?? {});
    return {
      slot: this.name,
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

  /** Puts a key in the place, so that its trials can be with this one. */
  add(key: IssuerSlot): void {
    this.keys.add(key);
  }

  remove(key: IssuerSlot): void {
    this.keys.remove(key);
  }

  /**
   * Starts the workers and opens keys: the first that can be in each worker, the others in one of them.
   * The place is ready where one could be opened, and where those that failed are at fault themselves.
   * Resolves to what went wrong. Never rejects.
   */
  async open(
    keys: readonly IssuerSlot[] = this.keys.forTrial(),
  ): Promise<readonly CertmillError[]> {
    this.become('trying');
    this.keys.forgetDoubts();
    const lanes = this.startLanes();
    const waiting = [...keys];
    const failures: KeyFailure[] = [];
    let isProven = false;
    while (!isProven && !failures.some(({ blame }) => blame === 'place')) {
      const key = waiting.shift();
      if (key === undefined) break;
      const found = await this.openEverywhere(lanes, key);
      failures.push(...found);
      isProven = found.length === 0;
    }
    if (isProven) failures.push(...(await this.openOnce(lanes, waiting)));
    if (this.state !== 'trying')
      return [new CertmillError('FAULT_STOPPING', 'the slot is stopping')];
    for (const { key, fault, blame } of failures) {
      if (blame === 'key' || (blame === 'unclear' && isProven)) key.fail(fault);
    }
    const cause =
      failures.find(({ blame }) => blame === 'place') ??
      (isProven ? undefined : failures.find(({ blame }) => blame === 'unclear'));
    if (cause === undefined) this.become('ready');
    else this.fail(cause.fault);
    return failures.map(({ fault }) => fault);
  }

  /** Runs a task with a key of the place, unless the place is or goes out of service. */
  async run<K extends KeyTaskKind>(key: IssuerSlot, task: KeyTask<K>): Promise<SlotOutcome<K>> {
    const lanes = this.lanes;
    const workers = lanes?.[task.lane];
    if (!this.isReady || workers === undefined) return this.lost(false);
    const pack = (): PackedTask => {
      const { input, transferList } = task.pack();
      const verifyAll = this.isOnProbation || !key.isReady;
      const message: KeyTaskMessage<K> = { issuer: key.opening, input, verifyAll };
      return { handler: task.kind, message, transferList };
    };
    const hearEnd = (ended: TaskOutcome<KeyTaskReply<K>>): void => {
      if (ended.kind === 'timed-out') this.awaitEnd(ended.threadEnd, true);
      const failure = isBegun(ended) ? this.failureOf(key, ended) : undefined;
      // What an earlier life of the place leaves behind says nothing about this one.
      if (failure !== undefined && this.lanes === lanes && this.isReady) this.hearFailure(failure);
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
      this.keys.noteSuccess(key);
      key.succeed();
      this.isOnProbation = false;
      this.restMs = this.options.rest.restMs;
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

  private startLanes(): Lanes {
    const latches = latchMemories(this.options.place.latches ?? [], this.latchOwner);
    const { serialKeys, workerFile, maxQueue, chunkTimeoutMs } = this.options;
    const workerData: SlotWorkerData = { serialKeys, latches, latchOwner: this.latchOwner };
    const pool = (lane: Lane, threads: number): TaskPool =>
      new TaskPool({
        ...{ lane, workerFile, workerData, threads, maxQueue },
        taskTimeoutMs: chunkTimeoutMs,
        closeHandler: 'closeSlot',
      });
    const { bulk, interactive } = this.options.threads;
    this.lanes = {
      ...(bulk === undefined ? {} : { bulk: pool('bulk', bulk) }),
      ...(interactive === undefined ? {} : { interactive: pool('interactive', interactive) }),
    };
    return this.lanes;
  }

  /** Opens a key in every worker; stops at a lane that cannot. */
  private async openEverywhere(
    { interactive, bulk }: Lanes,
    key: IssuerSlot,
  ): Promise<readonly KeyFailure[]> {
    // Interactive first: threads that a module starts for itself inherit the niceness of its opener.
    for (const pool of [interactive, bulk]) {
      if (pool === undefined) continue;
      const openings = Array.from({ length: pool.threads }, () => this.openKey(pool, key));
      const failures = (await Promise.all(openings)).flat();
      // Of several failures of one key the gravest.
      if (failures.length > 0) {
        return [failures.find(({ fault }) => isFinal(fault)) ?? failures[0] ?? []].flat();
      }
    }
    this.keys.noteSuccess(key);
    return [];
  }

  /** Opens each key in some worker, so that what is wrong with one is told at once. */
  private async openOnce(
    { bulk, interactive }: Lanes,
    keys: readonly IssuerSlot[],
  ): Promise<readonly KeyFailure[]> {
    const pool = bulk ?? interactive;
    if (pool === undefined) return [];
    return (await Promise.all(keys.map((key) => this.openKey(pool, key)))).flat();
  }

  private async openKey(pool: TaskPool, key: IssuerSlot): Promise<readonly KeyFailure[]> {
    const outcome = await pool.run<OpenIssuerReply>(
      () => ({ handler: 'openIssuer', message: key.opening, transferList: [] }),
      (ended) => {
        if (ended.kind === 'timed-out') this.awaitEnd(ended.threadEnd, false);
      },
      this.options.openTimeoutMs,
    );
    const failure = this.failureOf(key, outcome);
    return failure === undefined ? [] : [failure];
  }

  private hearFailure({ key, fault, blame }: KeyFailure): void {
    const isOfPlace = blame === 'place' || (blame === 'unclear' && this.keys.isPlaceToBlame(key));
    if (isOfPlace) this.fail(fault);
    else key.fail(fault);
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
      this.restMs = Math.min(this.restMs * 2, this.options.rest.maxRestMs);
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
    return new CertmillError('FAULT_HSM_LOST', `slot ${this.name} took too long`);
  }

  private failureOf(
    key: IssuerSlot,
    outcome: TaskOutcome<OpenIssuerReply | KeyTaskReply>,
  ): KeyFailure | undefined {
    switch (outcome.kind) {
      case 'done': {
        if (outcome.reply.kind !== 'slot-fault') return undefined;
        const fault = errorOfFault(outcome.reply);
        const ofAll = isFinal(fault) ? 'place' : 'unclear';
        return { key, fault, blame: isOfOneKey(fault) ? 'key' : ofAll };
      }
      case 'worker-lost': {
        const { cause } = outcome;
        const message = `a worker of slot ${this.name} died`;
        return {
          key,
          fault: new CertmillError('FAULT_HSM_LOST', message, { cause }),
          blame: 'place',
        };
      }
      case 'timed-out':
        return { key, fault: this.tookTooLong(), blame: 'place' };
      case 'overloaded':
      case 'drained':
      case 'stopping': {
        const fault = new CertmillError('FAULT_STOPPING', `slot ${this.name} is stopping`);
        return { key, fault, blame: 'place' };
      }
    }
  }
}

function isBegun({ kind }: TaskOutcome<unknown>): boolean {
  return kind === 'done' || kind === 'worker-lost' || kind === 'timed-out';
}
