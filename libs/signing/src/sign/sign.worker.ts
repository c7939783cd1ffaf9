import { workerData } from 'node:worker_threads';
import { CertmillError, type SerialKey } from '@certmill/domain';
import { decodeReceivedChunk, decodeVerdict } from '@certmill/events';
import { BoundedCache } from '../worker-pool/bounded-cache.js';
import { packedReply } from '../worker-pool/packed-reply.js';
import { workerFaultOf } from '../worker-pool/worker-fault.js';
import { CertificateWriter } from './certificate-writer.js';
import { assertIssuerServes } from './issuance-rules.js';
import type {
  OpenSlotReply,
  SignReply,
  SignTask,
  SlotFault,
  SlotWorkerData,
} from './sign-messages.js';
import { SlotFailure, SlotSession } from './slot-session.js';

const data = workerData as SlotWorkerData;
const serialKeys = new Map(data.serialKeys.map((key): [number, SerialKey] => [key.id, key]));
/** By profile hash: an issuer rarely has more than a handful of profiles in use. */
const writers = new BoundedCache<CertificateWriter>(64);
let session: SlotSession | undefined;

/** Opens the key, so that what is wrong with it is told before the first chunk. */
export async function openSlot(): Promise<OpenSlotReply> {
  try {
    session ??= await SlotSession.open(data);
    return { kind: 'ready' };
  } catch (error) {
    return slotFaultOf(error);
  }
}

/** Before the thread is ended. */
export function closeSlot(): void {
  session?.close();
  session = undefined;
}

export async function signChunk(task: SignTask): Promise<SignReply> {
  try {
    session ??= await SlotSession.open(data);
    return signWith(session, task);
  } catch (error) {
    if (error instanceof SlotFailure) return slotFaultOf(error);
    return workerFaultOf(error, 'FAULT_PROCESSING', 'the chunk cannot be signed');
  }
}

function signWith(slot: SlotSession, task: SignTask): SignReply {
  const begunMs = performance.now();
  const received = decodeReceivedChunk(new Uint8Array(task.chunk, 0, task.receivedBytes));
  const verdict = decodeVerdict(new Uint8Array(task.chunk, task.receivedBytes));
  assertIssuerServes(data, received);
  const serialKey = serialKeys.get(received.serialKeyId);
  if (serialKey === undefined) {
    throw new CertmillError(
      'FAULT_PROCESSING',
      `serial key ${String(received.serialKeyId)} is not configured`,
    );
  }
  let writer = writers.get(received.profileHash);
  if (writer === undefined) {
    writer = new CertificateWriter(slot, task.profile, received.profileHash);
    writers.set(received.profileHash, writer);
  }
  const { certificatesDer, certificateLengths } = writer.issue(
    received,
    verdict,
    serialKey,
    task.verifyAll,
  );
  const usage = slot.takeUsage((performance.now() - begunMs) / 1e3);
  return packedReply({ kind: 'signed', certificatesDer, certificateLengths, usage }, [
    certificatesDer.buffer,
    certificateLengths.buffer,
  ]);
}

function slotFaultOf(error: unknown): SlotFault {
  const cause = error instanceof SlotFailure ? error.fault : error;
  return {
    ...workerFaultOf(cause, 'FAULT_HSM_LOST', `slot ${data.slot.name} cannot be used`),
    kind: 'slot-fault',
  };
}
