import { CertmillError, isCertmillError, type MassOperation } from '@certmill/domain';
import type { JobQueue, RunAgain } from '@certmill/ports';
import { repeat } from '../repeat.js';
import { allPages } from '../revoke/all-pages.js';
import { LookPace } from './look-pace.js';
import type { MassPorts } from './mass-ports.js';
import { runOperation } from './run-operation.js';
import { settleDecided } from './settle-decided.js';

const queue = 'mass-operation';
/** Of jobs of which the queue itself could not be told how they ended. */
const attempts = 1_000;
/** Each reads and writes as fast as it is let, for a second or so; then the next one has its turn. */
const operationsAtOnce = 4;
/** So that no tenant has all places. */
const ofTenantAtOnce = 2;
/** Until an operation looks again whether its tenant has a place. */
const turnMs = 250;
/** The pause after the first fault; it doubles with each further one. */
const firstRetryMs = 1_000;
const longestRetryMs = 30_000;
/**
 * How long an operation that runs may be without a job, or what was decided of it left over: its process was
 * killed, or the queue emptied.
 */
const planAgainMs = 10_000;

/** Has an operation run, or go on. It has one job, however often it is added. */
export function addMassJob(
  jobs: Pick<JobQueue, 'add'>,
  { tenant, operationId }: Pick<MassOperation, 'tenant' | 'operationId'>,
): Promise<void> {
  return jobs.add(queue, { id: keyOf(tenant, operationId), data: { tenant, operationId } });
}

/** Told what keeps an operation from going on; without its name, what keeps all from being planned. */
export type MassObserver = (operationId: string | undefined, error: CertmillError) => void;

/**
 * Runs operations in this process until it is stopped, those too that have no job: each then goes on
 * after the next start.
 */
export async function processMassJobs(
  ports: MassPorts,
  jobs: JobQueue,
  onFault: MassObserver,
): Promise<{ stop(timeoutMs: number): Promise<void> }> {
  const turns = new MassTurns(ports, onFault);
  const limits = { concurrency: operationsAtOnce, attempts };
  const processing = await jobs.process(queue, limits, async ({ data }) => {
    const { tenant, operationId } = data;
    if (typeof tenant !== 'string' || typeof operationId !== 'string') return undefined;
    return turns.take(tenant, operationId);
  });
  const plan = async (): Promise<void> => {
    for await (const each of allPages((page) => ports.operations.listRunning(page))) {
      // Its job may rest for hours.
      await settleDecided(ports, each, false).catch((error: unknown) => {
        onFault(each.operationId, faultOf(error));
      });
      await addMassJob(jobs, each);
    }
  };
  const endPlanning = repeat(plan, planAgainMs, (error) => onFault(undefined, faultOf(error)));
  return {
    async stop(timeoutMs) {
      turns.end();
      await Promise.all([endPlanning(), processing.stop(timeoutMs)]);
    },
  };
}

/** Lets operations of this process work by turns. */
class MassTurns {
  readonly #ports: MassPorts;
  readonly #onFault: MassObserver;
  readonly #stopping = new AbortController();
  /** Places that are taken, by tenant. */
  readonly #taken = new Map<string, number>();
  /** Tenants of which one was sent away since one of them had its turn. */
  readonly #sentAway = new Set<string>();
  /** Faults in a row, by operation. */
  readonly #faults = new Map<string, number>();
  /** Of operations that run, how they rest from what they wait for. */
  readonly #paces = new Map<string, LookPace>();

  constructor(ports: MassPorts, onFault: MassObserver) {
    this.#ports = ports;
    this.#onFault = onFault;
  }

  end(): void {
    this.#stopping.abort();
  }

  /** Resolves to when the operation wants its next turn; undefined where it wants none. */
  async take(tenant: string, operationId: string): Promise<RunAgain | undefined> {
    const taken = this.#taken.get(tenant) ?? 0;
    if (taken >= ofTenantAtOnce) {
      this.#sentAway.add(tenant);
      return this.#in(turnMs);
    }
    this.#taken.set(tenant, taken + 1);
    const again = await this.#run(tenant, operationId);
    const left = (this.#taken.get(tenant) ?? 1) - 1;
    if (left === 0) this.#taken.delete(tenant);
    else this.#taken.set(tenant, left);
    // After those that were sent away.
    if (!this.#sentAway.delete(tenant) || again === undefined) return again;
    return { againAtMs: Math.max(again.againAtMs, this.#in(2 * turnMs).againAtMs) };
  }

  async #run(tenant: string, operationId: string): Promise<RunAgain | undefined> {
    const key = keyOf(tenant, operationId);
    try {
      const pace = this.#paces.get(key) ?? new LookPace();
      this.#paces.set(key, pace);
      const { signal } = this.#stopping;
      const again = await runOperation(this.#ports, tenant, operationId, signal, pace);
      this.#faults.delete(key);
      if (again === undefined) this.#paces.delete(key);
      return again;
    } catch (error) {
      const fault = faultOf(error);
      if (fault.code === 'FAULT_STOPPING') return this.#in(0);
      this.#onFault(operationId, fault);
      const faults = this.#faults.get(key) ?? 0;
      this.#faults.set(key, faults + 1);
      return this.#in(Math.min(longestRetryMs, firstRetryMs * 2 ** faults));
    }
  }

  #in(ms: number): RunAgain {
    return { againAtMs: this.#ports.clock.nowMs() + ms };
  }
}

function keyOf(tenant: string, operationId: string): string {
  return `${tenant}.${operationId}`;
}

function faultOf(cause: unknown): CertmillError {
  if (isCertmillError(cause)) return cause;
  return new CertmillError('FAULT_PROCESSING', 'a mass operation cannot go on', { cause });
}
