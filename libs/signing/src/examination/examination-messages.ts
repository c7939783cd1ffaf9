import type { BlocklistTable } from '@certmill/pipeline/compute';
import type { WorkerFault } from '../worker-pool/worker-fault.js';

/** What every examination worker is started with. */
export interface ExaminationWorkerData {
  /** Shared memory: one table for all workers. */
  readonly blocklist?: BlocklistTable;
}

export interface ExaminationTask {
  /** The encoded ReceivedChunk, moved. */
  readonly received: ArrayBuffer;
  /** The canonical profile, once the worker asked for it. */
  readonly profile?: string;
}

export type ExaminationReply =
  | { readonly kind: 'examined'; readonly columns: ArrayBuffer }
  /** The worker has not seen this profile yet: send the chunk again with its canonical text. */
  | { readonly kind: 'profile-missing'; readonly profileHash: string }
  | WorkerFault;
