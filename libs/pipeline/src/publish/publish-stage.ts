import { createCertificateWalk, walkCertificate } from '@certmill/der';
import { CertmillError, rejectionCodeOf, type ChunkRef } from '@certmill/domain';
import {
  decodeIssuedChunk,
  decodeReceivedHead,
  decodeVerdict,
  encodePublishedChunk,
  topics,
  type IssuedChunk,
  type ReceivedPins,
  type Verdict,
} from '@certmill/events';
import type {
  CertificateStore,
  Clock,
  DeliveredRecord,
  EventLog,
  TerminalChunk,
} from '@certmill/ports';
import { assertSameChunk, type Hops } from '../hop-seal.js';
import type { ProfileCatalogue } from '../profile/profile-catalogue.js';
import type { StageObserver } from '../run-stage.js';

export interface PublishPorts {
  readonly certificates: Pick<CertificateStore, 'publish'>;
  readonly profiles: ProfileCatalogue;
  readonly log: EventLog;
  readonly hops: Pick<Hops, 'issued'>;
  readonly clock: Clock;
  /** Told of each chunk that this call ended: rejection numbers, 0 where issued. */
  readonly onPublished: StageObserver['published'];
  /** What follows from a chunk's end, at least once for each, before its record counts as read. */
  readonly afterEnd?: (chunk: ChunkRef) => Promise<void>;
}

/** Stores a chunk's terminal record: the first durable one is its end, whoever replays it. */
export async function publishChunk(ports: PublishPorts, record: DeliveredRecord): Promise<void> {
  const attributes = ports.hops.issued.open(record);
  const segment = record.value;
  const issued = decodeIssuedChunk(segment);
  const received = assertSameChunk(attributes, decodeReceivedHead(issued.received));
  const verdict = decodeVerdict(issued.verdict);
  const profile = await ports.profiles.get(received.tenant, received.profileHash);
  if (profile === undefined) {
    throw new CertmillError('FAULT_PROCESSING', 'the chunk names a profile that is not stored');
  }
  const nowMs = ports.clock.nowMs();
  const terminal = terminalOf(received, verdict, issued, segment, profile.name, nowMs);
  await endChunk(ports, terminal);
}

/** Stores a terminal record and tells who waits for it. False where the chunk had ended before. */
export async function endChunk(
  ports: Pick<PublishPorts, 'certificates' | 'log' | 'onPublished' | 'afterEnd'>,
  terminal: TerminalChunk,
): Promise<boolean> {
  const isFirst = (await ports.certificates.publish(terminal)) === 'published';
  if (isFirst) ports.onPublished(terminal.codes, terminal);
  const { tenant, batchId, chunkNumber } = terminal.chunk;
  await ports.log.append(topics.certificatesPublished, {
    headers: { 'content-type': 'application/protobuf' },
    key: batchId,
    value: encodePublishedChunk({ tenant, orderId: terminal.orderId, batchId, chunkNumber }),
  });
  await ports.afterEnd?.({ tenant, batchId, chunkNumber });
  return isFirst;
}

/** Faults: FAULT_EVENT_UNDECODABLE where its first certificate is none. */
export function terminalOf(
  received: ReceivedPins,
  verdict: Verdict,
  issued: IssuedChunk,
  segment: Uint8Array,
  profileName: string,
  publishedAtMs: number,
): TerminalChunk {
  const released: number[] = [];
  const codes = verdict.codes.map((code, i) => {
    if (code !== 0 || issued.endedBy === 0) return code;
    released.push(received.firstIndex + i);
    return issued.endedBy;
  });
  const { tenant, batchId, chunkNumber } = received;
  const notAfterMs = notAfterOf(issued);
  return {
    chunk: { tenant, batchId, chunkNumber },
    orderId: received.orderId,
    profileName,
    lane: received.lane,
    firstIndex: received.firstIndex,
    segment,
    codes,
    udids: verdict.udids,
    get deviceIds() {
      return verdict.deviceIds;
    },
    endedAs: rejectionCodeOf(issued.endedBy) === 'BATCH_CANCELLED' ? 'cancelled' : 'rejected',
    released,
    ...(notAfterMs === undefined ? {} : { notAfterMs }),
    publishedAtMs,
    receivedAtMs: received.receivedAtMs,
  };
}

/**
 * When the certificates of a chunk end, where it has any: profile, issuer and the time that is pinned in
 * the chunk say so for all of them, so the first tells it.
 */
function notAfterOf({ certificatesDer, certificateLengths }: IssuedChunk): number | undefined {
  const first = certificateLengths.find((length) => length > 0);
  if (first === undefined) return undefined;
  const walk = createCertificateWalk();
  if (!walkCertificate(certificatesDer, 0, first, walk)) {
    throw new CertmillError('FAULT_EVENT_UNDECODABLE', 'an issued certificate cannot be read');
  }
  return walk.notAfterSeconds * 1_000;
}
