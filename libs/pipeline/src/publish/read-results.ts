import {
  isComplete,
  rejectionCodeOf,
  type Batch,
  type BatchId,
  type ChunkRef,
  type Rejection,
  type TenantId,
} from '@certmill/domain';
import {
  decodeIssuedChunk,
  decodeReceivedChunk,
  decodeVerdict,
  type ReceivedChunk,
} from '@certmill/events';
import type { BatchStore, CertificateStore } from '@certmill/ports';
import type { PublicationNotices } from './publication-notices.js';

/** A request with its end: exactly one of `certificateDer` and `rejection`. */
export interface Result {
  readonly index: number;
  readonly deviceId: string;
  readonly source: string;
  /** A view into the segment. */
  readonly certificateDer?: Uint8Array;
  readonly rejection?: Rejection;
}

export interface ResultPorts {
  readonly batches: Pick<BatchStore, 'getBatch'>;
  readonly certificates: Pick<CertificateStore, 'chunkState' | 'getSegment'>;
  readonly notices: PublicationNotices;
}

/** How long a follower sleeps without a notice before it looks at the store again. */
const followPollMs = 500;

/** The certificates alone of one terminal record, in the order of their indexes; views into it. */
export function certificatesOf(segment: Uint8Array): readonly Uint8Array[] {
  const { certificatesDer, certificateLengths } = decodeIssuedChunk(segment);
  let at = 0;
  return certificateLengths
    .filter((length) => length > 0)
    .map((length) => certificatesDer.subarray(at, (at += length)));
}

/** The issuer that a terminal record's certificates were signed by. */
export function issuerNameOf(segment: Uint8Array): string {
  return decodeReceivedChunk(decodeIssuedChunk(segment).received).issuer;
}

/** The results of one terminal record, in the order of their indexes. */
export function resultsOf(segment: Uint8Array): readonly Result[] {
  const issued = decodeIssuedChunk(segment);
  const received = decodeReceivedChunk(issued.received);
  const verdict = decodeVerdict(issued.verdict);
  let at = 0;
  return verdict.codes.map((code, i) => {
    const length = issued.certificateLengths[i] ?? 0;
    const place = {
      index: received.firstIndex + i,
      deviceId: verdict.deviceIds[i] || (received.deviceIds[i] ?? ''),
      source: received.sources[i] ?? '',
    };
    if (length > 0) {
      const certificateDer = issued.certificatesDer.subarray(at, (at += length));
      return { ...place, certificateDer };
    }
    const rejection =
      code === 0
        ? rejectionOf(issued.endedBy, issued.endedDetail)
        : rejectionOf(code, verdict.details[i] ?? '');
    return { ...place, rejection };
  });
}

/** A number of a newer release has no code here; the request is still rejected, and says so. */
function rejectionOf(number: number, detail: string): Rejection {
  return { code: rejectionCodeOf(number) ?? 'PROCESSING_FAILED', detail };
}

/** The request of one index as it was received: reissue, verify-store and audits need it. */
export function requestOf(
  segment: Uint8Array,
  index: number,
): { readonly received: ReceivedChunk; readonly der: Uint8Array } | undefined {
  const received = decodeReceivedChunk(decodeIssuedChunk(segment).received);
  const position = index - received.firstIndex;
  const length = received.requestLengths[position];
  if (length === undefined) return undefined;
  let at = 0;
  for (let i = 0; i < position; i++) at += received.requestLengths[i] ?? 0;
  return { received, der: received.requestsDer.subarray(at, at + length) };
}

export interface ReadOptions {
  /** True: waits for chunks that have not ended until the batch is complete. */
  readonly follow: boolean;
  readonly firstChunk?: number;
  readonly signal?: AbortSignal;
}

/**
 * The terminal records of a batch in chunk order, read one at a time. Without `follow` it ends at the
 * first chunk that is still on its way; with it, when the batch is complete or the signal aborts. Of a
 * complete batch it passes over chunks that never became durable, and dead letters: their results come
 * when an operator settles them.
 */
export async function* segmentsOf(
  ports: ResultPorts,
  tenant: TenantId,
  batchId: BatchId,
  options: ReadOptions,
): AsyncGenerator<{ readonly chunk: ChunkRef; readonly segment: Uint8Array }> {
  let chunkNumber = options.firstChunk ?? 0;
  while (options.signal?.aborted !== true) {
    const chunk = { tenant, batchId, chunkNumber };
    // Before the look: what is published after it is heard.
    using publication = ports.notices.ofChunk(chunk);
    const segment = await ports.certificates.getSegment(chunk);
    if (segment !== undefined) {
      yield { chunk, segment };
      chunkNumber++;
      continue;
    }
    const batch = await ports.batches.getBatch(tenant, batchId);
    if (batch === undefined) return;
    if (!isComplete(batch)) {
      if (!options.follow) return;
      await publication.heard(followPollMs, options.signal);
      continue;
    }
    // After the batch: what had not ended then, when nothing was on its way, is a gap.
    const state = await ports.certificates.chunkState(chunk);
    if (state === undefined) return;
    if (!state.ended) chunkNumber++;
  }
}

/** Resolves once nothing of the batch can change any more, or when the signal aborts. */
export async function waitForBatch(
  ports: Pick<ResultPorts, 'batches' | 'notices'>,
  tenant: TenantId,
  batchId: BatchId,
  signal?: AbortSignal,
): Promise<Batch | undefined> {
  for (;;) {
    using publication = ports.notices.ofBatch(batchId);
    const batch = await ports.batches.getBatch(tenant, batchId);
    if (batch === undefined || isComplete(batch) || signal?.aborted === true) return batch;
    await publication.heard(followPollMs, signal);
  }
}
