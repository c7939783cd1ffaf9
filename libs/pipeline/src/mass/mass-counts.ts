import {
  countIn,
  massOutcomes,
  type MassCounts,
  type OutcomeReason,
  type OutcomeRun,
} from '@certmill/domain';
import type { MassChunk } from './read-chunk.js';

export function sumOf(counts: MassCounts, more: Partial<MassCounts>): MassCounts {
  const sum: Record<string, number> = { ...counts };
  for (const [name, count] of Object.entries(more)) sum[name] = (sum[name] ?? 0) + count;
  return sum as unknown as MassCounts;
}

/** Certificates that are refused or passed over, by why. */
export type ReasonCounts = Readonly<Partial<Record<OutcomeReason, number>>>;

export function withReasonsOf(counts: ReasonCounts, runs: readonly OutcomeRun[]): ReasonCounts {
  const sum: Partial<Record<OutcomeReason, number>> = { ...counts };
  for (const { reason, count } of runs) {
    if (reason !== undefined) sum[reason] = (sum[reason] ?? 0) + count;
  }
  return sum;
}

/** What a step counts of its chunk, which was on its way before where it is `late`. */
export function countsOf(
  chunk: MassChunk,
  runs: readonly OutcomeRun[],
  isLate = false,
): Partial<MassCounts> {
  const { requests, pending, certificates } = chunk;
  return {
    lookedAt: isLate ? 0 : requests,
    pending: isLate ? -requests : pending,
    selected: certificates.length,
    ...Object.fromEntries(massOutcomes.map((outcome) => [outcome, countIn(runs, outcome)])),
  };
}
