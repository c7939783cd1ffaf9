import { CertmillError, isCertmillError } from '@certmill/domain';
import type { JobQueue } from '@certmill/ports';
import { repeat } from '../repeat.js';
import { countToRenew, type CountPorts, type ToRenewCounts } from './count-to-renew.js';

const queue = 'devices-to-renew';
const pauseMs = 3_600_000;
/** How often a process looks whether an hour has begun. */
const planMs = 60_000;
/** The queue's pauses between them grow; the next hour plans it anew. */
const attempts = 5;

export interface CountObserver {
  counted(counts: ToRenewCounts): void;
  /** The count before stands; it is tried again. */
  failed(fault: CertmillError): void;
}

export interface RegularCount {
  stop(timeoutMs: number): Promise<void>;
}

/** Counts what devices are to renew now, and an hour after each count. For a process without a queue. */
export function countByItself(ports: CountPorts, observer: CountObserver): RegularCount {
  const stopping = new AbortController();
  const count = async (): Promise<void> => {
    observer.counted(await countToRenew(ports, stopping.signal));
  };
  const end = repeat(count, pauseMs, (error) => observer.failed(faultOf(error)));
  return {
    async stop() {
      stopping.abort();
      await end();
    },
  };
}

/**
 * The same as a job, of which processes that share the queue run one at a time: each plans it when it starts and when
 * an hour begins, and what is planned while it waits or runs is the same job. The one that counts is told.
 */
export async function countByTurns(
  ports: CountPorts,
  jobs: JobQueue,
  observer: CountObserver,
): Promise<RegularCount> {
  const stopping = new AbortController();
  const { clock } = ports;
  const processing = await jobs.process(queue, { concurrency: 1, attempts }, async () => {
    try {
      observer.counted(await countToRenew(ports, stopping.signal));
      return undefined;
    } catch (error) {
      // Another process counts, or this one when it is started again.
      if (stopping.signal.aborted) return { againAtMs: clock.nowMs() };
      observer.failed(faultOf(error));
      throw error;
    }
  });
  let plannedHour = -1;
  const plan = async (): Promise<void> => {
    const hour = Math.floor(clock.nowMs() / pauseMs);
    if (hour === plannedHour) return;
    await jobs.add(queue, { id: 'count', data: {} });
    plannedHour = hour;
  };
  const endPlanning = repeat(plan, planMs, (error) => observer.failed(faultOf(error)));
  return {
    async stop(timeoutMs) {
      stopping.abort();
      await Promise.all([endPlanning(), processing.stop(timeoutMs)]);
    },
  };
}

function faultOf(cause: unknown): CertmillError {
  if (isCertmillError(cause)) return cause;
  return new CertmillError('FAULT_PROCESSING', 'what devices are to renew is not counted', {
    cause,
  });
}
