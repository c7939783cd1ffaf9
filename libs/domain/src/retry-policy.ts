import { isCertmillError, type FaultCode } from './faults.js';

/** How a group treats a handler that rejects. */
export interface RetryPolicy {
  /** The pause doubles from `firstMs` up to `maxMs`, each between half and the whole of it. */
  readonly firstMs: number;
  readonly maxMs: number;
  /** How often a record is tried whose handler rejects with anything but a retryable fault. */
  readonly maxAttempts: number;
  /** In [0, 1). */
  readonly random: () => number;
}

export const defaultRetryPolicy: RetryPolicy = {
  firstMs: 50,
  maxMs: 5_000,
  maxAttempts: 20,
  random: Math.random,
};

/**
 * What they say is of this process, not of the record: in a rolling upgrade the next one, which is newer or
 * configured otherwise, takes it.
 */
const haltingCodes: ReadonlySet<FaultCode> = new Set(['DATA_FORMAT_UNSUPPORTED', 'CONFIG_INVALID']);

export type FailureOutcome = 'retry' | 'dead-letter' | 'halt';

/** What follows from the `attempt`th rejection of a record, counted from 1. */
export function outcomeOf(error: unknown, attempt: number, policy: RetryPolicy): FailureOutcome {
  if (isCertmillError(error) && haltingCodes.has(error.code)) return 'halt';
  const disposition = isCertmillError(error) ? error.disposition : 'refuse';
  // A handler that was refused something has called wrongly: that is a defect, not a state.
  if (disposition !== 'refuse') return disposition;
  return attempt < policy.maxAttempts ? 'retry' : 'dead-letter';
}

export function pauseMs(attempt: number, policy: RetryPolicy): number {
  const whole = Math.min(policy.maxMs, policy.firstMs * 2 ** Math.min(attempt - 1, 30));
  return whole * (0.5 + policy.random() / 2);
}
