import { CertmillError, type Batch } from '@certmill/domain';
import type { CertificateStore } from '@certmill/ports';
import type { InputItem } from '../input/input-item.js';
import type { PublicationNotices } from '../publish/publication-notices.js';
import { resultsOf, type Result } from '../publish/read-results.js';
import { openBatch, uploadInto, type IngestPorts, type Upload } from './upload-batch.js';

export interface EnrollPorts extends IngestPorts {
  readonly certificates: Pick<CertificateStore, 'getSegment'>;
  readonly notices: PublicationNotices;
}

export interface Enrolment {
  readonly batch: Batch;
  /** Absent when the waiting ended first: the caller fetches it later. */
  readonly result?: Result;
}

/** How long to wait for the certificate once the request is durable. */
export interface Patience {
  readonly deadlineMs: number;
  /** Ends the waiting earlier, e.g. because the server stops. */
  readonly signal?: AbortSignal;
}

/** Looked at again after so long, and then twice as long each time: a notice is only a hint. */
const firstPollMs = 100;
const maxPollMs = 1_000;

/**
 * One request on the interactive lane: a batch of one, waited for as long as the caller has patience.
 * The same Idempotency-Key with the same request answers with the same certificate.
 */
export async function enroll(
  ports: EnrollPorts,
  upload: Omit<Upload, 'firstIndex' | 'lane'>,
  item: InputItem,
  { deadlineMs, signal }: Patience,
): Promise<Enrolment> {
  const interactive = { ...upload, lane: 'interactive', firstIndex: 0 } as const;
  ports.pace.noteEnrolment();
  const opened = await openBatch(ports, interactive);
  const gone = new AbortController();
  const giveUp = (): void => gone.abort();
  const timer = setTimeout(giveUp, deadlineMs);
  signal?.addEventListener('abort', giveUp, { once: true });
  if (signal?.aborted === true) giveUp();
  try {
    // Both at once: the certificate may be there before all of the upload's counters are.
    const [batch, result] = await Promise.all([
      uploadInto(ports, interactive, opened, oneItem(item)),
      resultOf(ports, opened, gone.signal),
    ]);
    return { batch, ...(result === undefined ? {} : { result }) };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', giveUp);
    gone.abort();
  }
}

async function resultOf(
  ports: EnrollPorts,
  { tenant, batchId, nextIndex }: Batch,
  gone: AbortSignal,
): Promise<Result | undefined> {
  const chunk = { tenant, batchId, chunkNumber: 0 };
  let pollMs = firstPollMs;
  // Of a request that was not there before there is nothing yet.
  for (let mayBeThere = nextIndex > 0; ; mayBeThere = true) {
    using publication = ports.notices.ofChunk(chunk);
    const segment = mayBeThere ? await ports.certificates.getSegment(chunk) : undefined;
    if (segment !== undefined) {
      const [result] = resultsOf(segment);
      if (result !== undefined) return result;
      throw new CertmillError(
        'FAULT_STORE_CORRUPT',
        'the segment of an enrolment holds no request',
      );
    }
    if (gone.aborted) return undefined;
    await publication.heard(pollMs, gone);
    pollMs = Math.min(2 * pollMs, maxPollMs);
  }
}

async function* oneItem(item: InputItem): AsyncGenerator<readonly InputItem[]> {
  yield await Promise.resolve([item]);
}
