import {
  runsOf,
  type ChunkPlace,
  type FrozenBatch,
  type MassCursor,
  type MassOperation,
} from '@certmill/domain';
import type { MassPorts } from './mass-ports.js';
import type { MassStep, StepDone } from './mass-step.js';
import type { MassChunk } from './read-chunk.js';
import { planReissue, reissueChunk } from './reissue-chunk.js';
import { renewalOutcomes } from './renewal-outcomes.js';
import { revokeChunk } from './revoke-chunk.js';

/**
 * The cursor that is to be stored before a chunk is worked on; undefined where that was done, and the step
 * is done again as it was begun.
 * @param late Of a chunk that was on its way before.
 */
export async function planStep(
  ports: MassPorts,
  operation: MassOperation,
  batch: FrozenBatch,
  chunk: MassChunk,
  late: ChunkPlace | undefined,
): Promise<MassCursor | undefined> {
  const { work, cursor } = operation;
  const begunAtMs = cursor.begunAtMs ?? ports.clock.nowMs();
  const begun = { ...cursor, begunAtMs, ...(late === undefined ? {} : { late }) };
  if (work.kind === 'reissue') return planReissue(ports, operation, work, batch, chunk, begun);
  return cursor.begunAtMs === undefined ? begun : undefined;
}

/** Does one step; again it does the same, and nothing twice. */
export async function doStep(ports: MassPorts, step: MassStep): Promise<StepDone> {
  const { work, cursor } = step.operation;
  const { targetIndex } = cursor;
  switch (work.kind) {
    case 'revoke':
      return { runs: await revokeChunk(ports, step, work), targetIndex };
    case 'renew': {
      const { batch, chunk, begunAtMs } = step;
      const outcomes = await renewalOutcomes(ports, work, batch, chunk.certificates, begunAtMs);
      return { runs: runsOf(outcomes), targetIndex };
    }
    case 'reissue':
      return reissueChunk(ports, step, work);
  }
}
