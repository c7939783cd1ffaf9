import { availableParallelism } from 'node:os';
import { CertmillError, type Lane } from '@certmill/domain';
import { lanes } from '@certmill/events';
import { readBlocklist } from '@certmill/pipeline/compute';
import type { CpuMeter, RequestExaminer, Stoppable } from '@certmill/ports';
import { LostChunks } from '../worker-pool/lost-chunks.js';
import { TaskPool, type TaskOutcome, type TaskPoolOptions } from '../worker-pool/task-pool.js';
import { errorOfFault, type WorkerFault } from '../worker-pool/worker-fault.js';
import { unpackExamination } from './examination-columns.js';
import type {
  ExaminationReply,
  ExaminationTask,
  ExaminationWorkerData,
} from './examination-messages.js';

export interface ExaminationPoolOptions {
  /** The canonical text of a profile: asked for when a worker meets it for the first time. */
  readonly profiles: (profileHash: string) => string | undefined | Promise<string | undefined>;
  /** Keys that must never be certified, see `readBlocklist`; read once, while opening. */
  readonly blocklistFile?: string;
  /** Lanes that the process works for: another one has no workers. Both where absent. */
  readonly lanes?: readonly Lane[];
  /** Bulk workers; one per CPU where absent, for proof of possession is most of all work. */
  readonly threads?: number;
  /** Workers that no bulk chunk ever gets (a bulk chunk takes 20 to 90 ms); 1 where absent. */
  readonly interactiveThreads?: number;
  /** Chunks that may wait per lane; 64 where absent. */
  readonly maxQueue?: number;
  /** A chunk that takes longer loses its worker; 120,000 where absent. */
  readonly chunkTimeoutMs?: number;
}

const workerFile = new URL('./examination.worker.js', import.meta.url);

/** What a lane of the pool has in hand, of what it may. */
export interface ExaminationLoad {
  readonly lane: Lane;
  /** Chunks that wait or run. */
  readonly outstanding: number;
  readonly capacity: number;
}

export interface OpenExaminationPool extends RequestExaminer, Stoppable, CpuMeter {
  load(): readonly ExaminationLoad[];
}

/** Resolves once the workers run. Faults: CONFIG_INVALID where the blocklist cannot be read. */
export async function openExaminationPool(
  options: ExaminationPoolOptions,
): Promise<OpenExaminationPool> {
  const data: ExaminationWorkerData =
    options.blocklistFile === undefined
      ? {}
      : { blocklist: readBlocklist(options.blocklistFile).table };
  const poolOf = (lane: Lane, threads: number): TaskPoolOptions => ({
    lane,
    workerFile,
    workerData: data,
    threads,
    maxQueue: options.maxQueue ?? 64,
    taskTimeoutMs: options.chunkTimeoutMs ?? 120_000,
  });
  const threads = {
    bulk: options.threads ?? availableParallelism(),
    interactive: options.interactiveThreads ?? 1,
  };
  const pool = new ExaminationPool(
    options.profiles,
    Object.fromEntries(
      (options.lanes ?? lanes).map((lane) => [lane, new TaskPool(poolOf(lane, threads[lane]))]),
    ),
  );
  try {
    await pool.open();
  } catch (error) {
    await pool.stop(0);
    throw error;
  }
  return pool;
}

/** The port over two task pools, one per lane. */
export class ExaminationPool implements OpenExaminationPool {
  private readonly profiles: ExaminationPoolOptions['profiles'];
  private readonly lanes: Readonly<Partial<Record<Lane, TaskPool>>>;
  private readonly lostChunks = new LostChunks();

  constructor(
    profiles: ExaminationPoolOptions['profiles'],
    lanes: Readonly<Partial<Record<Lane, TaskPool>>>,
  ) {
    this.profiles = profiles;
    this.lanes = lanes;
  }

  load(): readonly ExaminationLoad[] {
    return lanes.flatMap((lane) => {
      const pool = this.lanes[lane];
      if (pool === undefined) return [];
      return { lane, outstanding: pool.outstanding, capacity: pool.capacity };
    });
  }

  async cpuMicroseconds(): Promise<number> {
    const pools = Object.values(this.lanes);
    const usages = await Promise.all(pools.map((pool) => pool.cpuMicroseconds()));
    return usages.reduce((total, usage) => total + usage, 0);
  }

  /** Resolves once every worker runs. */
  async open(): Promise<void> {
    const openings = Object.values(this.lanes).flatMap((pool) =>
      Array.from({ length: pool.threads }, () =>
        pool.run(() => ({
          handler: 'openExaminer',
          message: undefined,
          transferList: [],
        })),
      ),
    );
    for (const outcome of await Promise.all(openings)) {
      if (outcome.kind !== 'done') throw workerError(outcome);
    }
  }

  async examine(received: Uint8Array, lane: Lane): ReturnType<RequestExaminer['examine']> {
    const first = await this.attempt(received, lane, undefined);
    if (first.kind === 'examined') return unpackExamination(first.columns);
    const profile = await this.profiles(first.profileHash);
    if (profile === undefined) {
      throw new CertmillError('FAULT_PROCESSING', `profile ${first.profileHash} is not stored`);
    }
    const second = await this.attempt(received, lane, profile);
    if (second.kind === 'examined') return unpackExamination(second.columns);
    throw new CertmillError('FAULT_PROCESSING', 'a worker did not take the profile it asked for');
  }

  async stop(timeoutMs: number): Promise<void> {
    await Promise.all(Object.values(this.lanes).map((pool) => pool.stop(timeoutMs)));
  }

  private async attempt(
    received: Uint8Array,
    lane: Lane,
    profile: string | undefined,
  ): Promise<Exclude<ExaminationReply, WorkerFault>> {
    const pool = this.lanes[lane];
    if (pool === undefined) {
      throw new CertmillError('FAULT_PROCESSING', `no worker examines for the lane ${lane}`);
    }
    const outcome = await pool.run<ExaminationReply>(() => {
      // The one copy of the hand-over: the caller keeps its bytes for a retry.
      const copy = new Uint8Array(received).buffer;
      const task: ExaminationTask = {
        received: copy,
        ...(profile === undefined ? {} : { profile }),
      };
      return { handler: 'examine', message: task, transferList: [copy] };
    });
    if (outcome.kind === 'done') {
      if (outcome.reply.kind === 'fault') throw errorOfFault(outcome.reply);
      return outcome.reply;
    }
    const hasBegun = outcome.kind === 'worker-lost' || outcome.kind === 'timed-out';
    if (hasBegun && this.lostChunks.isPoison(received)) {
      throw new CertmillError('FAULT_PROCESSING', 'workers die of this chunk', {
        cause: outcome.kind === 'worker-lost' ? outcome.cause : outcome.kind,
      });
    }
    throw workerError(outcome);
  }
}

function workerError(
  outcome: Exclude<TaskOutcome<unknown>, { readonly kind: 'done' }>,
): CertmillError {
  switch (outcome.kind) {
    case 'overloaded':
      return new CertmillError('FAULT_OVERLOADED', 'the examination queue is full');
    case 'drained':
    case 'stopping':
      return new CertmillError('FAULT_STOPPING', 'the examination pool is stopping');
    case 'worker-lost':
      return new CertmillError('FAULT_WORKER_LOST', 'an examination worker died', {
        cause: outcome.cause,
      });
    case 'timed-out':
      return new CertmillError('FAULT_WORKER_LOST', 'an examination took too long');
  }
}
