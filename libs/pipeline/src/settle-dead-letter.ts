import {
  CertmillError,
  isCertmillError,
  rejectionNumber,
  type BatchId,
  type ChunkRef,
  type FaultCode,
} from '@certmill/domain';
import {
  decodeReceivedChunk,
  decodeVerdict,
  encodeIssuedChunk,
  encodeReceivedChunk,
  encodeVerdict,
  groups,
  type ReceivedChunk,
} from '@certmill/events';
import type {
  BatchStore,
  CertificateStore,
  Clock,
  DeadLetter,
  DeliveredRecord,
  EventLog,
  OrderStore,
  VerdictStore,
} from '@certmill/ports';
import { assertSameChunk, type Hops } from './hop-seal.js';
import { endChunk, terminalOf } from './publish/publish-stage.js';
import { verdictOfAll } from './validate/verdict-of-all.js';

export interface DeadLetterPorts {
  readonly stores: Pick<
    CertificateStore,
    'chunkState' | 'getDeadLetter' | 'listDeadLetters' | 'publish' | 'retryDeadLetter'
  > &
    Pick<BatchStore, 'getBatch' | 'getRegistration'> &
    Pick<OrderStore, 'getOrder'> &
    VerdictStore;
  readonly log: EventLog;
  readonly hops: Pick<Hops, 'received'>;
  readonly clock: Clock;
  /** Told of each chunk that a drop ended: rejection numbers. */
  readonly onPublished: (codes: readonly number[]) => void;
}

/** For whoever asks for what only a batch without dead letters has. */
export function deadLettersLeft(batchId: BatchId, requests: number): CertmillError {
  return new CertmillError(
    'CONFLICT',
    `${String(requests)} requests of the batch are dead letters: retry or drop them first (certmill dead-letters list ${batchId})`,
  );
}

/**
 * Puts a dead letter back into the topic that it failed in. Its requests are in flight before the
 * record is in the log, so a crash between the two leaves a dead letter that a repeat puts there; a
 * record that is there twice is decided and published once.
 * Resolves to `ended` where the chunk has ended meanwhile. Faults: NOT_FOUND; CONFLICT where the chunk
 * is no dead letter or its record is not kept; those of the log.
 */
export async function retryDeadLetter(
  ports: DeadLetterPorts,
  chunk: ChunkRef,
): Promise<'retried' | 'ended'> {
  const { stores, log, clock } = ports;
  const letter = await stores.getDeadLetter(chunk);
  if (letter === undefined) return hasEnded(ports, chunk);
  const kept = await recordOf(ports, letter);
  if (kept === undefined) {
    throw new CertmillError(
      'CONFLICT',
      `the record of chunk ${String(chunk.chunkNumber)} is not kept: it can be dropped only`,
    );
  }
  if ((await stores.retryDeadLetter(chunk, clock.nowMs())) === undefined) return 'ended';
  const { headers, key, value } = kept.record;
  await log.append(letter.topic, { headers, key, value });
  return 'retried';
}

/**
 * Ends a dead letter: each request that was not rejected gets PROCESSING_FAILED, its claim and its
 * quota are given back. The verdict comes first, as in the pipeline, so a repeat finds it and goes on;
 * whatever is still on its way with the chunk finds it ended.
 * Resolves to `ended` where the chunk has ended otherwise. Faults: NOT_FOUND; CONFLICT where the chunk
 * is no dead letter.
 */
export async function dropDeadLetter(
  ports: DeadLetterPorts,
  chunk: ChunkRef,
): Promise<'dropped' | 'ended'> {
  const { stores, clock, log, onPublished } = ports;
  const letter = await stores.getDeadLetter(chunk);
  if (letter === undefined) return hasEnded(ports, chunk);
  const { received, value } = await receivedOf(ports, letter);
  const order = await stores.getOrder(received.tenant, received.orderId);
  if (order === undefined) {
    throw new CertmillError('FAULT_PROCESSING', 'the chunk names an order that is not stored');
  }
  const { profileName } = order;
  const nowMs = clock.nowMs();
  const detail = `dropped after ${letter.code} in ${letter.stage}`;
  const draft = verdictOfAll(received, 'PROCESSING_FAILED', detail);
  const encoded =
    (await stores.getVerdict(chunk)) ??
    (await stores.decide({
      chunk,
      orderId: received.orderId,
      profileName,
      firstIndex: received.firstIndex,
      nowMs,
      draft: encodeVerdict(draft),
      codes: draft.codes,
      udids: draft.udids,
      deviceIds: draft.deviceIds,
    }));
  const verdict = decodeVerdict(encoded);
  const wasAccepted = verdict.codes.includes(0);
  const issued = {
    received: value,
    verdict: encoded,
    certificatesDer: new Uint8Array(),
    certificateLengths: verdict.codes.map(() => 0),
    endedBy: wasAccepted ? rejectionNumber('PROCESSING_FAILED') : 0,
    endedDetail: wasAccepted ? detail : '',
  };
  const segment = encodeIssuedChunk(issued);
  const terminal = terminalOf(received, verdict, issued, segment, profileName, nowMs);
  const isFirst = await endChunk({ certificates: stores, log, onPublished }, terminal);
  return isFirst ? 'dropped' : 'ended';
}

/** For a chunk that is no dead letter. */
async function hasEnded({ stores }: DeadLetterPorts, chunk: ChunkRef): Promise<'ended'> {
  const state = await stores.chunkState(chunk);
  const name = `chunk ${String(chunk.chunkNumber)}`;
  if (state === undefined) throw new CertmillError('NOT_FOUND', `there is no ${name}`);
  if (state.ended) return 'ended';
  throw new CertmillError('CONFLICT', `${name} is in flight: it is no dead letter`);
}

/** What makes a record useless; it is not what ingest made. */
const uselessCodes: ReadonlySet<FaultCode> = new Set([
  'FAULT_EVENT_FORGED',
  'FAULT_EVENT_UNDECODABLE',
  'FAULT_STORE_CORRUPT',
]);

/** The record of a dead letter as ingest made it; undefined where it is not kept whole. */
async function recordOf(
  { log, hops }: DeadLetterPorts,
  letter: DeadLetter,
): Promise<{ readonly record: DeliveredRecord; readonly received: ReceivedChunk } | undefined> {
  const { topic, place, chunk } = letter;
  if (place === '') return undefined;
  try {
    const read = await log.readDeadLetter(topic, groups.validate, place);
    if (read === undefined) return undefined;
    const record = { ...read, topic, position: place };
    const received = assertSameChunk(hops.received.open(record), decodeReceivedChunk(read.value));
    const isSame =
      received.tenant === chunk.tenant &&
      received.batchId === chunk.batchId &&
      received.chunkNumber === chunk.chunkNumber;
    return isSame ? { record, received } : undefined;
  } catch (error) {
    if (isCertmillError(error) && uselessCodes.has(error.code)) return undefined;
    throw error;
  }
}

/** The chunk as received or, where that is not kept, what the store knows of it: no request. */
async function receivedOf(
  ports: DeadLetterPorts,
  letter: DeadLetter,
): Promise<{ readonly received: ReceivedChunk; readonly value: Uint8Array }> {
  const kept = await recordOf(ports, letter);
  if (kept !== undefined) return { received: kept.received, value: kept.record.value };
  const { stores } = ports;
  const { tenant, batchId } = letter.chunk;
  const registration = await stores.getRegistration(letter.chunk);
  const batch = await stores.getBatch(tenant, batchId);
  const order = batch && (await stores.getOrder(tenant, batch.orderId));
  if (registration === undefined || batch === undefined || order === undefined) {
    throw new CertmillError('FAULT_PROCESSING', 'the chunk names what is not stored');
  }
  const none = new Array<number>(registration.count).fill(0);
  const noText = none.map(() => '');
  const received: ReceivedChunk = {
    ...registration,
    orderId: order.orderId,
    lane: batch.lane,
    profileHash: order.profileHash,
    issuer: order.issuer,
    requestsDer: new Uint8Array(),
    requestLengths: none,
    deviceIds: noText,
    sources: noText,
    rejections: none,
    rejectionDetails: noText,
  };
  return { received, value: encodeReceivedChunk(received) };
}
