import { CertmillError } from '@certmill/domain';
import { decodeReceivedChunk, decodeVerdict } from '@certmill/events';
import { BoundedCache } from '../worker-pool/bounded-cache.js';
import { CertificateWriter } from './certificate-writer.js';
import { assertIssuerServes } from './issuance-rules.js';
import type { KeyTaskContext, KeyTaskOutput } from './run-key-task.js';
import type { ChunkToSign } from './sign-messages.js';
import type { SlotSession } from './slot-session.js';

/** By issuer and profile hash, of all the worker's sessions: few issuers have more than a handful. */
const writers = new BoundedCache<CertificateWriter>(1_024);

/** Issues the certificates of a chunk. Faults: as `CertificateWriter`, FAULT_PROCESSING. */
export function issueChunk(
  { session, serialKeys, verifyAll }: KeyTaskContext,
  { chunk, receivedBytes, profile }: ChunkToSign,
): KeyTaskOutput<'signChunk'> {
  const received = decodeReceivedChunk(new Uint8Array(chunk, 0, receivedBytes));
  const verdict = decodeVerdict(new Uint8Array(chunk, receivedBytes));
  assertIssuerServes(session, received);
  const serialKey = serialKeys.get(received.serialKeyId);
  if (serialKey === undefined) {
    throw new CertmillError(
      'FAULT_PROCESSING',
      `serial key ${String(received.serialKeyId)} is not configured`,
    );
  }
  const writer = writerOf(session, profile, received.profileHash);
  const result = writer.issue(received, verdict, serialKey, verifyAll);
  return { result, buffers: [result.certificatesDer.buffer, result.certificateLengths.buffer] };
}

function writerOf(session: SlotSession, profile: string, profileHash: string): CertificateWriter {
  const key = `${session.id} ${profileHash}`;
  const known = writers.get(key);
  // One of an earlier session would sign with a key that is closed.
  if (known?.session === session) return known;
  const writer = new CertificateWriter(session, profile, profileHash);
  writers.set(key, writer);
  return writer;
}
