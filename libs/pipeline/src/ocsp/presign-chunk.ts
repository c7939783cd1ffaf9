import { createCertificateWalk, walkCertificate } from '@certmill/der';
import {
  CertmillError,
  requestOfSerialNumber,
  serialKeyIdOf,
  type ChunkRef,
  type SerialKey,
} from '@certmill/domain';
import type {
  CertificateStore,
  Clock,
  OcspPresigner,
  OcspStore,
  PresignedStatus,
} from '@certmill/ports';
import { issuerNameOf, resultsOf } from '../publish/read-results.js';
import { certStatusOf } from './certificate-status.js';
import type { OcspIssuer } from './ocsp-issuers.js';

export interface PresignPorts {
  readonly certificates: Pick<CertificateStore, 'getSegment' | 'getStatus'>;
  readonly responses: Pick<OcspStore, 'putResponses' | 'putResponder'>;
  readonly presigner: OcspPresigner;
  readonly issuerOf: (name: string) => OcspIssuer | undefined;
  /** By id. */
  readonly serialKeys: ReadonlyMap<number, SerialKey>;
  readonly clock: Clock;
  /** From thisUpdate to nextUpdate. */
  readonly lifetimeSeconds: number;
}

/** `none`: nothing of it is in time, or no responder of its issuer is here. */
export type PresignOutcome = 'signed' | 'older' | 'none';

/**
 * Signs the responses of a chunk's certificates ahead and puts them in force, as their status is now.
 * What the store says is believed for the status alone: a certificate whose serial number does not lead
 * to its place in the chunk is told of to nobody. Faults: FAULT_STORE_CORRUPT, the ports'.
 */
export async function presignChunk(ports: PresignPorts, chunk: ChunkRef): Promise<PresignOutcome> {
  const segment = await ports.certificates.getSegment(chunk);
  const issuer = segment && ports.issuerOf(issuerNameOf(segment));
  if (segment === undefined || issuer === undefined) return 'none';
  // Before the statuses are read: what changes meanwhile is younger than these responses.
  const nowMs = ports.clock.nowMs();
  const thisUpdateSeconds = Math.floor(nowMs / 1_000);
  const results = resultsOf(segment);
  const firstIndex = results[0]?.index ?? 0;
  const found = results.map(async (result, place): Promise<PresignedStatus | undefined> => {
    if (result.certificateDer === undefined) return undefined;
    const { serialNumber, notAfterMs } = identityOf(result.certificateDer);
    if (notAfterMs <= nowMs) return undefined;
    assertOwnSerial(ports, chunk, result.index, serialNumber);
    const { tenant, batchId } = chunk;
    const status = await ports.certificates.getStatus(tenant, batchId, result.index);
    return { place, serialNumber, status: certStatusOf(issuer, status) };
  });
  const statuses = (await Promise.all(found)).filter((status) => status !== undefined);
  if (statuses.length === 0) return 'none';
  const nextUpdateSeconds = thisUpdateSeconds + ports.lifetimeSeconds;
  const times = { thisUpdateSeconds, nextUpdateSeconds };
  const count = results.length;
  const signed = await ports.presigner.signResponses(issuer.name, { count, statuses, ...times });
  if (signed === undefined) return 'none';
  // The responder first: responses that name it are in force only when it is known.
  await ports.responses.putResponder(signed.responder);
  const isInForce = await ports.responses.putResponses({
    tenant: chunk.tenant,
    batchId: chunk.batchId,
    chunkNumber: chunk.chunkNumber,
    firstIndex,
    count,
    issuer: issuer.name,
    responder: signed.responder.id,
    producedAtMs: nowMs,
    thisUpdateMs: thisUpdateSeconds * 1_000,
    nextUpdateMs: nextUpdateSeconds * 1_000,
    packed: signed.packed,
  });
  return isInForce ? 'signed' : 'older';
}

const walk = createCertificateWalk();

function identityOf(der: Uint8Array): {
  readonly serialNumber: Uint8Array;
  readonly notAfterMs: number;
} {
  if (!walkCertificate(der, 0, der.length, walk)) throw corrupt('a certificate is not DER');
  const serialNumber = der.subarray(walk.serialNumberStart, walk.serialNumberEnd);
  return { serialNumber, notAfterMs: walk.notAfterSeconds * 1_000 };
}

function assertOwnSerial(
  { serialKeys }: PresignPorts,
  { batchId }: ChunkRef,
  index: number,
  serialNumber: Uint8Array,
): void {
  const serialKey = serialKeys.get(serialKeyIdOf(serialNumber) ?? 0);
  const request = serialKey && requestOfSerialNumber(serialKey, serialNumber);
  if (request?.batchId === batchId && request.index === index) return;
  throw corrupt('a certificate has a serial number that does not lead to its request');
}

function corrupt(reason: string): CertmillError {
  return new CertmillError('FAULT_STORE_CORRUPT', `responses are not signed: ${reason}`);
}
