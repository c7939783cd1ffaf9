import { setTimeout as sleep } from 'node:timers/promises';
import { CertmillError } from '@certmill/domain';
import { ServerError } from './server-error.js';

const firstWaitMs = 200;
const longestWaitMs = 10_000;

export interface RetryPolicy {
  /** Gives up when the next try would begin later than this after the last progress. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
  /** Told before each wait. */
  onWait(error: ServerError, waitMs: number): void;
}

/** One task that is tried until it is done: counts from the last progress that the task reports. */
export class Patience {
  readonly #policy: RetryPolicy;
  #failures = 0;
  #progressAtMs = performance.now();

  constructor(policy: RetryPolicy) {
    this.#policy = policy;
  }

  /** Something new is done for good: the full patience is there again. */
  progressed(): void {
    this.#failures = 0;
    this.#progressAtMs = performance.now();
  }

  /**
   * Waits before the next try: exponential with jitter, at least Retry-After. Throws the error where
   * there is no next try.
   * @param isRepeatable whether the call may happen twice.
   */
  async wait(error: unknown, isRepeatable: boolean): Promise<void> {
    const { patienceMs, signal } = this.#policy;
    if (signal.aborted) throw new CertmillError('FAULT_STOPPING', 'stopped', { cause: error });
    if (!(error instanceof ServerError) || !mayRetry(error, isRepeatable)) throw error;
    const backOffMs = Math.min(longestWaitMs, firstWaitMs * 2 ** this.#failures++);
    // Jitter: clients that were cut together must not come back together.
    const waitMs = Math.max(error.retryAfterMs ?? 0, backOffMs * (0.5 + Math.random() / 2));
    if (performance.now() + waitMs - this.#progressAtMs > patienceMs) throw error;
    this.#policy.onWait(error, waitMs);
    try {
      await sleep(waitMs, undefined, { signal });
    } catch (cause) {
      throw new CertmillError('FAULT_STOPPING', 'stopped', { cause });
    }
  }
}

function mayRetry(error: ServerError, isRepeatable: boolean): boolean {
  return error.retry === 'always' || (error.retry === 'repeatable' && isRepeatable);
}
