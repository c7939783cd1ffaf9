import { CertmillError, type Batch } from '@certmill/domain';
import type { CertificateStore } from '@certmill/ports';
import type { InputItem } from '../input/input-item.js';
import type { PublicationNotices } from '../publish/publication-notices.js';
import { resultsOf, type Result } from '../publish/read-results.js';
import { openBatch, uploadBatch, type IngestPorts, type Upload } from './upload-batch.js';

export interface EnrollPorts extends IngestPorts {
  readonly certificates: Pick<CertificateStore, 'getSegment'>;
  readonly notices: PublicationNotices;
}

export interface Enrolment {
  readonly batch: Batch;
  /** Absent when the deadline passed first: the caller fetches it later. */
  readonly result?: Result;
}

/** Looked at again at least this often: a notice may have come before we waited. */
const pollMs = 100;

/**
 * One request on the interactive lane: a batch of one, waited for until `deadlineMs` from now.
 * The same Idempotency-Key with the same request answers with the same certificate.
 */
export async function enroll(
  ports: EnrollPorts,
  upload: Omit<Upload, 'firstIndex' | 'lane'>,
  item: InputItem,
  deadlineMs: number,
): Promise<Enrolment> {
  const interactive = { ...upload, lane: 'interactive', firstIndex: 0 } as const;
  const opened = await openBatch(ports, interactive);
  const gone = new AbortController();
  const timer = setTimeout(() => gone.abort(), deadlineMs);
  try {
    const batch = await uploadBatch(ports, interactive, oneItem(item));
    const chunk = { tenant: opened.tenant, batchId: opened.batchId, chunkNumber: 0 };
    for (;;) {
      using publication = ports.notices.ofBatch(opened.batchId);
      const segment = await ports.certificates.getSegment(chunk);
      if (segment !== undefined) {
        const [result] = resultsOf(segment);
        if (result === undefined) {
          throw new CertmillError(
            'FAULT_STORE_CORRUPT',
            'the segment of an enrolment holds no request',
          );
        }
        return { batch, result };
      }
      if (gone.signal.aborted) return { batch };
      await publication.heard(pollMs, gone.signal);
    }
  } finally {
    clearTimeout(timer);
    gone.abort();
  }
}

async function* oneItem(item: InputItem): AsyncGenerator<readonly InputItem[]> {
  yield await Promise.resolve([item]);
}
