import type { BatchId } from './ids.js';

/**
 * What a mass operation did about a certificate of its selection. Of a revocation: revoked by it; so
 * before, for the same reason; revoked for good for another one. Of a reissue: its request was uploaded again; of a
 * renewal: its device may renew. Of both: passed over, because it is revoked, on hold, has ended or was
 * replaced, or of a reissue because its device has one of the wanted profile besides; refused, because its
 * device may have no other.
 */
export const massOutcomes = ['changed', 'unchanged', 'refused', 'submitted', 'skipped'] as const;
export type MassOutcome = (typeof massOutcomes)[number];

/** Why a certificate was refused or passed over. */
export const outcomeReasons = [
  'CERTIFICATE_REVOKED',
  'CERTIFICATE_ON_HOLD',
  'CERTIFICATE_ENDED',
  'CERTIFICATE_REPLACED',
  // By one that is on hold, or that fell with the same CA and is another issuer's.
  'REPLACEMENT_NOT_GOOD',
  'DEVICE_ALREADY_ISSUED',
  'DEVICE_UNNAMED',
  'DEVICE_NOT_AUTHORIZED',
] as const;
export type OutcomeReason = (typeof outcomeReasons)[number];

/** Of certificates that are behind each other in a batch. */
export interface OutcomeRun {
  /** Of the first one. */
  readonly index: number;
  readonly count: number;
  readonly outcome: MassOutcome;
  readonly reason?: OutcomeReason;
}

/** Requests that were uploaded again are behind each other in the batch that they went to. */
export interface UploadedPart {
  readonly batchId: BatchId;
  readonly index: number;
  readonly count: number;
}

/** A chunk by the position of its batch in the frozen selection. */
export interface ChunkPlace {
  readonly batch: number;
  readonly chunkNumber: number;
}

/** What became of the certificates of a chunk. Those that are not told of do not meet the selection. */
export interface ChunkOutcome extends ChunkPlace {
  /** It was on its way: nothing is done yet, and it is looked at again. */
  readonly isPending: boolean;
  readonly runs: readonly OutcomeRun[];
  /** Of a reissue: where those submitted are, in their order. */
  readonly uploaded?: readonly UploadedPart[];
}

/** In runs as long as can be. @param outcomes in the order of their indexes. */
export function runsOf(outcomes: Iterable<Omit<OutcomeRun, 'count'>>): readonly OutcomeRun[] {
  const runs: OutcomeRun[] = [];
  for (const { index, outcome, reason } of outcomes) {
    const last = runs.at(-1);
    const isSame = last?.outcome === outcome && last.reason === reason;
    if (last !== undefined && isSame && last.index + last.count === index) {
      runs[runs.length - 1] = { ...last, count: last.count + 1 };
    } else {
      runs.push({ index, count: 1, outcome, ...(reason === undefined ? {} : { reason }) });
    }
  }
  return runs;
}

/** How many certificates of the runs have an outcome. */
export function countIn(runs: readonly OutcomeRun[], outcome: MassOutcome): number {
  return runs.reduce((sum, run) => sum + (run.outcome === outcome ? run.count : 0), 0);
}
