import type { ChunkOutcome, FrozenBatch, MassOperation } from '@certmill/domain';
import type { MassChunk } from './read-chunk.js';

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

export interface StepDone extends Pick<ChunkOutcome, 'runs' | 'uploaded'> {
  /** Of a reissue: where the next chunk goes on. */
  readonly targetIndex: number;
}
