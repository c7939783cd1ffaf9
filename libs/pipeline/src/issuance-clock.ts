import { CertmillError } from '@certmill/domain';
import type { Clock } from '@certmill/ports';

/** A clock this far behind the last issuance is taken for jitter; farther is a broken clock (DESIGN 3.9). */
const toleratedStepMs = 5_000;

/** Whether a time is to come by more than jitter explains, so that one of the two clocks is broken. */
export function isToCome(atMs: number, nowMs: number): boolean {
  return nowMs < atMs - toleratedStepMs;
}

/** A clock that also hears of times which others pinned. */
export interface IssuanceClock extends Clock {
  /** No earlier time is told from now on. FAULT_CLOCK_BACKWARDS where the clock is too far behind it. */
  learn(atMs: number): void;
}

/**
 * The time that is pinned in chunks: never before the last one, over restarts too. Up to 5 s behind,
 * the later time is used; more throws FAULT_CLOCK_BACKWARDS (halt).
 * @param lastIssuanceMs the latest receivedAt that the store knows, 0 in an empty one.
 */
export function issuanceClock(clock: Clock, lastIssuanceMs: number): IssuanceClock {
  let latestMs = lastIssuanceMs;
  const read = (): number => {
    const now = clock.nowMs();
    if (isToCome(latestMs, now)) {
      throw new CertmillError(
        'FAULT_CLOCK_BACKWARDS',
        `the clock is ${String(Math.round((latestMs - now) / 1000))} s behind the last issuance; set it right and start again`,
      );
    }
    latestMs = Math.max(latestMs, now);
    return latestMs;
  };
  return {
    nowMs: read,
    learn(atMs) {
      latestMs = Math.max(latestMs, atMs);
      read();
    },
  };
}
