import type { FrozenBatch, MassSelection, TenantId } from '@certmill/domain';
import { decodeIssuedChunk, decodeReceivedChunk, decodeVerdict } from '@certmill/events';
import { certificatesIn, type IssuedCertificate } from '../revoke/read-certificates.js';
import type { MassPorts } from './mass-ports.js';

/** A certificate with the request that it was issued for; views into the segment. */
export interface StoredCertificate extends IssuedCertificate {
  readonly requestDer: Uint8Array;
  readonly source: string;
}

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

type ChunkPorts = Pick<MassPorts, 'orders' | 'batches' | 'certificates' | 'crlShardsOf'>;

/** Faults: CONFLICT where the issuer of the chunk is not known any more, FAULT_STORE_CORRUPT. */
export async function readChunk(
  ports: ChunkPorts,
  tenant: TenantId,
  { batchId, orderId, nextIndex }: FrozenBatch,
  chunkNumber: number,
  { site }: MassSelection,
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
  const certificates = certificatesIn(chunk, segment, ports.crlShardsOf).map((certificate) => {
    const position = certificate.index - firstIndex;
    const requestDer = requests[position] ?? new Uint8Array();
    return { ...certificate, requestDer, source: received.sources[position] ?? '' };
  });
  const { udids } = decodeVerdict(issued.verdict);
  const isOfSite = await siteTest(ports, tenant, orderId, site, certificates, (index) =>
    udids.subarray((index - firstIndex) * udidBytes, (index - firstIndex + 1) * udidBytes),
  );
  return {
    requests: requestLengths.length,
    pending: 0,
    isLast: firstIndex + requestLengths.length >= nextIndex,
    certificates: certificates.filter((_, i) => isOfSite(i)),
  };
}

/** Says of each certificate whether its device is of the site, by the allow-list in force. */
async function siteTest(
  { orders }: ChunkPorts,
  tenant: TenantId,
  orderId: string,
  site: string | undefined,
  certificates: readonly IssuedCertificate[],
  udidOf: (index: number) => Uint8Array,
): Promise<(position: number) => boolean> {
  if (site === undefined) return () => true;
  const queries = certificates.map(({ deviceId, index }) => {
    return { ...(deviceId === '' ? {} : { deviceId }), udid: udidOf(index) };
  });
  const rows = await orders.lookUp(tenant, orderId, queries);
  return (position) => rows[position]?.site === site;
}

function requestsIn(der: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  let at = 0;
  return lengths.map((length) => der.subarray(at, (at += length)));
}
