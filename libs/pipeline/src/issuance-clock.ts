import { CertmillError } from '@certmill/domain';
import type { Clock } from '@certmill/ports';

/** A clock this far behind the last issuance is taken for jitter; farther is a broken clock (DESIGN 3.9). */
const toleratedStepMs = 5_000;

/**
 * The time that is pinned in chunks: never before the last one, over restarts too. Up to 5 s behind,
 * the later time is used; more throws FAULT_CLOCK_BACKWARDS (halt).
 * @param lastIssuanceMs the latest receivedAt that the store knows, 0 in an empty one.
 */
export function issuanceClock(clock: Clock, lastIssuanceMs: number): Clock {
  let latestMs = lastIssuanceMs;
  return {
    nowMs() {
      const now = clock.nowMs();
      if (now < latestMs - toleratedStepMs) {
        throw new CertmillError(
          'FAULT_CLOCK_BACKWARDS',
          `the clock is ${String(Math.round((latestMs - now) / 1000))} s behind the last issuance; set it right and start again`,
        );
      }
      latestMs = Math.max(latestMs, now);
      return latestMs;
    },
  };
}
