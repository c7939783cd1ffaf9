import {
  CertmillError,
  isCertmillError,
  rejectionNumber,
  type BatchId,
  type ChunkRef,
  type FaultCode,
  type Lane,
} from '@certmill/domain';
import {
  decodeIssuedChunk,
  decodeReceivedChunk,
  decodeValidatedChunk,
  decodeVerdict,
  encodeIssuedChunk,
  encodeReceivedChunk,
  encodeVerdict,
  groups,
  topics,
  type ReceivedChunk,
} from '@certmill/events';
import type {
  BatchStore,
  CertificateStore,
  Clock,
  DeadLetter,
  EventLog,
  EventRecord,
  OrderStore,
  VerdictStore,
} from '@certmill/ports';
import { digestOf } from './ingest/pack-chunks.js';
import { endChunk, terminalOf } from './publish/publish-stage.js';
import type { StageObserver } from './run-stage.js';
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
  readonly clock: Clock;
  /** Told of each chunk that a drop ended: rejection numbers. */
  readonly onPublished: StageObserver['published'];
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
      receivedAtMs: received.receivedAtMs,
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

/** As which group a stage read a record of the topic, and where the chunk as received is in it. */
function inputOf(
  topic: string,
): { readonly group: string; receivedIn(value: Uint8Array): Uint8Array } | undefined {
  const isOf = (lanes: Readonly<Record<Lane, string>>): boolean =>
    topic === lanes.bulk || topic === lanes.interactive;
  if (isOf(topics.requestsReceived))
    return { group: groups.validate, receivedIn: (value) => value };
  if (isOf(topics.requestsValidated)) {
    return { group: groups.sign, receivedIn: (value) => decodeValidatedChunk(value).received };
  }
  if (isOf(topics.certificatesIssued)) {
    return { group: groups.publish, receivedIn: (value) => decodeIssuedChunk(value).received };
  }
  return undefined;
}

/**
 * The record of a dead letter with the chunk in it, where its requests are those that are registered;
 * undefined where it is not kept whole. Whether its seal is good is for the stage that reads it again.
 */
async function recordOf(
  { stores, log }: DeadLetterPorts,
  { topic, place, chunk }: DeadLetter,
): Promise<{ readonly record: EventRecord; readonly received: ReceivedChunk } | undefined> {
  const input = inputOf(topic);
  if (place === '' || input === undefined) return undefined;
  try {
    const record = await log.readDeadLetter(topic, input.group, place);
    if (record === undefined) return undefined;
    const received = decodeReceivedChunk(input.receivedIn(record.value));
    const registration = await stores.getRegistration(chunk);
    const isSame =
      received.tenant === chunk.tenant &&
      received.batchId === chunk.batchId &&
      received.chunkNumber === chunk.chunkNumber &&
      registration !== undefined &&
      Buffer.compare(digestOf(received), registration.digest) === 0;
    return isSame ? { record, received } : undefined;
  } catch (error) {
    if (isCertmillError(error) && uselessCodes.has(error.code)) return undefined;
    throw error;
  }
}

/**
 * The chunk as the store pinned it, with its requests where they are kept: nothing but them is taken
 * from the record.
 */
async function receivedOf(
  ports: DeadLetterPorts,
  letter: DeadLetter,
): Promise<{ readonly received: ReceivedChunk; readonly value: Uint8Array }> {
  const kept = await recordOf(ports, letter);
  const { stores } = ports;
  const { tenant, batchId } = letter.chunk;
  const registration = await stores.getRegistration(letter.chunk);
  const batch = await stores.getBatch(tenant, batchId);
  const order = batch && (await stores.getOrder(tenant, batch.orderId));
  if (registration === undefined || batch === undefined || order === undefined) {
    throw new CertmillError('FAULT_PROCESSING', 'the chunk names what is not stored');
  }
  const received: ReceivedChunk = {
    ...(kept?.received ?? withoutRequests(registration.count)),
    ...registration,
    orderId: order.orderId,
    lane: batch.lane,
    profileHash: order.profileHash,
    issuer: order.issuer,
  };
  return { received, value: encodeReceivedChunk(received) };
}

function withoutRequests(count: number) {
  const none = new Array<number>(count).fill(0);
  const noText = none.map(() => '');
  return {
    requestsDer: new Uint8Array(),
    requestLengths: none,
    deviceIds: noText,
    sources: noText,
    rejections: none,
    rejectionDetails: noText,
  };
}
