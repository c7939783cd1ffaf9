import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { CertmillError } from '@certmill/domain';

/** Single enrolments beside a batch, in an open loop: one begins every 1/rate seconds, come what may. */
export interface EnrolmentLoad {
  readonly url: string;
  readonly key: string;
  readonly orderId: string;
  /** NDJSON, one request a line; the load ends with its last. */
  readonly requestsFile: string;
  readonly perSecond: number;
}

/** What the clients saw, in milliseconds from when the enrolment was due to the answer's last octet. */
export interface EnrolmentFigures {
  readonly perSecond: number;
  readonly samples: number;
  /** Answers without a certificate (202 included) and broken calls. */
  readonly failed: number;
  readonly p50Milliseconds: number;
  readonly p99Milliseconds: number;
  readonly maxMilliseconds: number;
}

/** What the thread answers with when it was told to stop. */
export interface EnrolmentTimes {
  readonly milliseconds: readonly number[];
  readonly failed: number;
}

/**
 * Starts the load in a thread of its own, so that the batch's client does not delay it. Resolving
 * `stop` gives the figures of the enrolments that were answered.
 */
export function startEnrolments(load: EnrolmentLoad): { stop(): Promise<EnrolmentFigures> } {
  const worker = new Worker(new URL('./drive-enrolments.worker.js', import.meta.url), {
    workerData: load,
  });
  const ended = Promise.race([
    once(worker, 'message') as Promise<[EnrolmentTimes]>,
    once(worker, 'exit').then(() => {
      throw new CertmillError('FAULT_WORKER_LOST', 'the thread that enrols ended early');
    }),
  ]);
  // Heard of by `stop`.
  ended.catch(() => undefined);
  return {
    async stop() {
      worker.postMessage('stop');
      const [{ milliseconds, failed }] = await ended;
      await worker.terminate();
      return figuresOf(load.perSecond, milliseconds, failed);
    },
  };
}

function figuresOf(
  perSecond: number,
  milliseconds: readonly number[],
  failed: number,
): EnrolmentFigures {
  const sorted = [...milliseconds].sort((a, b) => a - b);
  const quantile = (share: number): number =>
    Math.round((sorted[Math.ceil(sorted.length * share) - 1] ?? 0) * 10) / 10;
  return {
    perSecond,
    samples: sorted.length,
    failed,
    p50Milliseconds: quantile(0.5),
    p99Milliseconds: quantile(0.99),
    maxMilliseconds: quantile(1),
  };
}
