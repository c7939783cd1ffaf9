import type { BatchId } from '@certmill/domain';

/** An upload that ended early: what its problem document adds, so that the client resumes. */
export class UploadBroken extends Error {
  readonly resume: { readonly batchId: BatchId; readonly nextIndex: number };

  constructor(cause: unknown, resume: { readonly batchId: BatchId; readonly nextIndex: number }) {
    super('the upload broke', { cause });
    this.name = 'UploadBroken';
    this.resume = resume;
  }
}
