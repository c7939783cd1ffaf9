import { CertmillError, rejectionNumber, type RejectionCode } from '@certmill/domain';
import {
  decodeReceivedHead,
  decodeValidatedChunk,
  decodeVerdict,
  encodeIssuedChunk,
  type ReceivedHead,
} from '@certmill/events';
import type {
  CertificateStore,
  ChunkSigner,
  Clock,
  DeliveredRecord,
  EventLog,
} from '@certmill/ports';
import { assertSameChunk, type Hops } from '../hop-seal.js';

export interface SignPorts {
  readonly certificates: Pick<CertificateStore, 'chunkState'>;
  readonly signer: ChunkSigner;
  readonly log: EventLog;
  readonly hops: Pick<Hops, 'validated' | 'issued'>;
  readonly clock: Clock;
}

/**
 * Signs what the verdict accepted. The verdict is durable before it gets here, so a replay builds the
 * same TBSCertificate; nothing is released before publish stored it.
 */
export async function signChunk(
  ports: SignPorts,
  record: DeliveredRecord,
  traceparent?: string,
): Promise<void> {
  const attributes = ports.hops.validated.open(record);
  const validated = decodeValidatedChunk(record.value);
  const received = assertSameChunk(attributes, decodeReceivedHead(validated.received));
  const state = await ports.certificates.chunkState(received);
  if (state === undefined) {
    throw new CertmillError('FAULT_PROCESSING', 'the chunk is not registered in this store');
  }
  if (state.ended) return;
  const accepted = decodeVerdict(validated.verdict).codes.some((code) => code === 0);
  const refusal = accepted ? refusalOf(received, state.cancelled, ports.clock.nowMs()) : undefined;
  const ended = { endedBy: 0, endedDetail: '' };
  if (refusal !== undefined) {
    ended.endedBy = rejectionNumber(refusal.code);
    ended.endedDetail = refusal.detail;
  }
  const signed =
    accepted && refusal === undefined
      ? await ports.signer.sign(validated.received, validated.verdict, received.lane)
      : undefined;
  const issued = encodeIssuedChunk({
    received: validated.received,
    verdict: validated.verdict,
    certificatesDer: signed?.certificatesDer ?? new Uint8Array(),
    certificateLengths: signed?.certificateLengths ?? new Array<number>(received.count).fill(0),
    ...ended,
  });
  await ports.log.append(...ports.hops.issued.seal(received, issued, traceparent));
}

/** Why a chunk that was accepted is not signed after all. */
function refusalOf(
  received: ReceivedHead,
  cancelled: boolean,
  nowMs: number,
): { readonly code: RejectionCode; readonly detail: string } | undefined {
  if (cancelled) {
    return {
      code: 'BATCH_CANCELLED',
      detail: 'the batch was cancelled before this request was signed',
    };
  }
  if (nowMs > received.signBeforeMs) {
    return {
      code: 'ISSUER_UNAVAILABLE',
      detail: `the request was to be signed before ${new Date(received.signBeforeMs).toISOString()}`,
    };
  }
  return undefined;
}
