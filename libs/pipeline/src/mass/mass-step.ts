import type { FrozenBatch, MassCounts, MassCursor, MassOperation } from '@certmill/domain';
import type { MassPorts } from './mass-ports.js';
import { renewable } from './open-renewal.js';
import type { MassChunk } from './read-chunk.js';
import { planReissue, reissueChunk } from './reissue-chunk.js';
import { revokeChunk } from './revoke-chunk.js';

/** A chunk of an operation that is to be worked on. */
export interface MassStep {
  readonly operation: MassOperation;
  readonly batch: FrozenBatch;
  readonly chunk: MassChunk;
  /** When it was begun: the same when it is done again. */
  readonly begunAtMs: number;
  /** Whether it may have been done before, in part or whole, by a process that was killed. */
  readonly isRepeated: boolean;
  readonly signal: AbortSignal;
}

export interface StepOutcome {
  /** What it adds. */
  readonly counts: Partial<MassCounts>;
  /** Of a reissue: where the next chunk goes on. */
  readonly targetIndex: number;
}

/**
 * The cursor that is to be stored before a chunk is worked on; undefined where that was done, and the step
 * is done again as it was begun.
 */
export async function planStep(
  ports: MassPorts,
  operation: MassOperation,
  batch: FrozenBatch,
  chunk: MassChunk,
): Promise<MassCursor | undefined> {
  const { work, cursor } = operation;
  const begun = { ...cursor, begunAtMs: cursor.begunAtMs ?? ports.clock.nowMs() };
  if (work.kind === 'reissue') return planReissue(ports, operation, batch, chunk, begun);
  return cursor.begunAtMs === undefined ? begun : undefined;
}

/** Does one step; again it does the same, and nothing twice. */
export async function doStep(ports: MassPorts, step: MassStep): Promise<StepOutcome> {
  const { work, cursor } = step.operation;
  const { targetIndex } = cursor;
  switch (work.kind) {
    case 'revoke':
      return { counts: await revokeChunk(ports, step, work), targetIndex };
    case 'renew': {
      const { certificates } = step.chunk;
      const submitted = (await renewable(ports, certificates, step.begunAtMs)).length;
      return { counts: { submitted, skipped: certificates.length - submitted }, targetIndex };
    }
    case 'reissue':
      return reissueChunk(ports, step, work);
  }
}
