import { setTimeout as sleep } from 'node:timers/promises';
import { CertmillError, isCertmillError, type MassOperation } from '@certmill/domain';
import type { JobQueue } from '@certmill/ports';
import type { MassPorts } from './mass-ports.js';
import { runOperation, type RunOptions } from './run-operation.js';

const queue = 'mass-operation';
/** With growing pauses, some days of an outage; an operator can resume it after that. */
const attempts = 1_000;
/** Each reads and writes as fast as it is let. */
const operationsAtOnce = 2;

/** Has an operation run, or go on. Added while it waits already it is one job. */
export function addMassJob(
  jobs: Pick<JobQueue, 'add'>,
  { tenant, operationId, version }: MassOperation,
): Promise<void> {
  // The version: a job that is about to end is none that goes on.
  const id = `${tenant}.${operationId}.${String(version)}`;
  return jobs.add(queue, { id, data: { tenant, operationId } });
}

/** Told what keeps an operation from going on. */
export type MassObserver = (operationId: string, error: CertmillError) => void;

/** As `RunOptions.wait`. */
export async function waitUnlessAborted(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

/** Runs operations in this process until it is stopped: each then goes on after the next start. */
export async function processMassJobs(
  ports: MassPorts,
  jobs: JobQueue,
  options: Pick<RunOptions, 'wait'>,
  onFault: MassObserver,
): Promise<{ stop(timeoutMs: number): Promise<void> }> {
  const stopping = new AbortController();
  const limits = { concurrency: operationsAtOnce, attempts };
  /** By tenant and operation: one that is resumed while its last step ends has two jobs. */
  const running = new Map<string, Promise<void>>();
  const run = async (tenant: string, operationId: string): Promise<void> => {
    try {
      await runOperation(ports, tenant, operationId, { ...options, signal: stopping.signal });
    } catch (error) {
      const fault = isCertmillError(error)
        ? error
        : new CertmillError('FAULT_PROCESSING', 'a mass operation cannot go on', { cause: error });
      if (fault.code !== 'FAULT_STOPPING') onFault(operationId, fault);
      throw fault;
    }
  };
  const processing = await jobs.process(queue, limits, async ({ data }) => {
    const { tenant, operationId } = data;
    if (typeof tenant !== 'string' || typeof operationId !== 'string') return;
    const key = `${tenant}.${operationId}`;
    await running.get(key)?.catch(() => undefined);
    const ending = run(tenant, operationId);
    running.set(key, ending);
    try {
      await ending;
    } finally {
      if (running.get(key) === ending) running.delete(key);
    }
  });
  return {
    stop(timeoutMs) {
      stopping.abort();
      return processing.stop(timeoutMs);
    },
  };
}
