import { CertmillError, type BatchId, type ChunkRef } from '@certmill/domain';
import type { Closing } from './bucket-document.js';

/** For whoever wants more of a batch that takes nothing any more. */
export function closedFault(closing: Closing, batchId: BatchId): CertmillError {
  return new CertmillError(
    'CONFLICT',
    closing === 'cancelled'
      ? `batch ${batchId} was cancelled`
      : `the upload of batch ${batchId} was broken off by a restore`,
  );
}

/** Dead letter: registered before it was appended, always. */
export function neverRegistered({ chunkNumber, batchId }: ChunkRef): CertmillError {
  return new CertmillError(
    'FAULT_PROCESSING',
    `chunk ${String(chunkNumber)} of batch ${batchId} was never registered`,
  );
}

export function noSuchBatch(batchId: BatchId): CertmillError {
  return new CertmillError('NOT_FOUND', `there is no batch ${batchId}`);
}
