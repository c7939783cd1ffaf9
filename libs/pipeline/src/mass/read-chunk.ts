import type { FrozenBatch, MassSelection, TenantId } from '@certmill/domain';
import { decodeIssuedChunk, decodeReceivedChunk, decodeVerdict } from '@certmill/events';
import { certificatesIn } from '../revoke/read-certificates.js';
import type { MassPorts } from './mass-ports.js';
import { renewalTest, type RenewalPorts } from './renewal-test.js';
import { listedDeviceOf, type StoredCertificate } from './stored-certificate.js';

/** A chunk of a frozen batch. */
export interface MassChunk {
  /** Requests of it that are in the selection's frozen part. */
  readonly requests: number;
  /** Of these, on their way. */
  readonly pending: number;
  readonly isLast: boolean;
  /** Those that meet the selection. */
  readonly certificates: readonly StoredCertificate[];
}

const noChunk: MassChunk = { requests: 0, pending: 0, isLast: true, certificates: [] };
const udidBytes = 32;

type ChunkPorts = RenewalPorts & Pick<MassPorts, 'orders' | 'clock'>;

/** Faults: CONFLICT where the issuer of the chunk is not known any more, FAULT_STORE_CORRUPT. */
export async function readChunk(
  ports: ChunkPorts,
  tenant: TenantId,
  { batchId, orderId, nextIndex }: FrozenBatch,
  chunkNumber: number,
  { site, renewedBy }: MassSelection,
): Promise<MassChunk> {
  const chunk = { tenant, batchId, chunkNumber };
  const segment = await ports.certificates.getSegment(chunk);
  if (segment === undefined) {
    const registered = await ports.batches.getRegistration(chunk);
    if (registered === undefined || registered.firstIndex >= nextIndex) return noChunk;
    const { firstIndex, count } = registered;
    const isLast = firstIndex + count >= nextIndex;
    return { requests: count, pending: count, isLast, certificates: [] };
  }
  const issued = decodeIssuedChunk(segment);
  const received = decodeReceivedChunk(issued.received);
  const { firstIndex, requestLengths } = received;
  if (firstIndex >= nextIndex) return noChunk;
  const requests = requestsIn(received.requestsDer, requestLengths);
  const { udids } = decodeVerdict(issued.verdict);
  const all = certificatesIn(chunk, segment, ports.crlShardsOf).map((certificate) => {
    const position = certificate.index - firstIndex;
    return {
      ...certificate,
      requestDer: requests[position] ?? new Uint8Array(),
      source: received.sources[position] ?? '',
      uploadedDeviceId: received.deviceIds[position] ?? '',
      udid: udids.subarray(position * udidBytes, (position + 1) * udidBytes),
    };
  });
  const isOfSite = await siteTest(ports, tenant, orderId, site, all);
  const ofSite = all.filter((_, i) => isOfSite(i));
  const nowMs = ports.clock.nowMs();
  const isRenewed =
    renewedBy === undefined
      ? () => true
      : await renewalTest(ports, tenant, renewedBy, ofSite, nowMs);
  return {
    requests: requestLengths.length,
    pending: 0,
    isLast: firstIndex + requestLengths.length >= nextIndex,
    certificates: ofSite.filter((_, i) => isRenewed(i)),
  };
}

/** As if it had not ended. */
export function onItsWay(chunk: MassChunk): MassChunk {
  return { ...chunk, pending: chunk.requests, certificates: [] };
}

/** Says of each certificate whether its device is of the site, by the allow-list in force. */
async function siteTest(
  { orders }: ChunkPorts,
  tenant: TenantId,
  orderId: string,
  site: string | undefined,
  certificates: readonly StoredCertificate[],
): Promise<(position: number) => boolean> {
  if (site === undefined) return () => true;
  const rows = await orders.lookUp(tenant, orderId, certificates.map(listedDeviceOf));
  return (position) => rows[position]?.site === site;
}

function requestsIn(der: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  let at = 0;
  return lengths.map((length) => der.subarray(at, (at += length)));
}
