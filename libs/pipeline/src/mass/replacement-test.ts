import { CertmillError, hasExpired, isOnHold, type OrderId, type TenantId } from '@certmill/domain';
import type { CertificatePlace, RequestPlace } from '@certmill/ports';
import { isSamePlace } from '../reissue-source.js';
import { CertificateReader, type IssuedCertificate } from '../revoke/read-certificates.js';
import { readStatuses } from '../revoke/read-statuses.js';
import type { MassPorts } from './mass-ports.js';
import { deviceOf, type StoredCertificate } from './stored-certificate.js';

export type ReplacementPorts = Pick<
  MassPorts,
  'orders' | 'batches' | 'certificates' | 'crlShardsOf'
>;

type ChunkReader = Pick<CertificateReader, 'ofChunk'>;

/**
 * Says of each certificate of a batch whether another one stands in its place: one that came after it to the
 * live claim of its device on its profile, and is neither revoked nor expired; on hold it stands. What is in
 * flight stands for nothing yet. Where the claim was freed, by a revocation, the newest one left is the
 * device's.
 */
export async function replacementTest(
  ports: ReplacementPorts,
  tenant: TenantId,
  orderId: OrderId,
  certificates: readonly StoredCertificate[],
  nowMs: number,
  reader: ChunkReader = new CertificateReader(ports),
): Promise<(position: number) => boolean> {
  const profileName = await profileNameOf(ports, tenant, orderId);
  const devices = certificates.map(deviceOf);
  const lists = await ports.certificates.claimsOf(tenant, profileName, devices);
  const rivals: (readonly RequestPlace[])[] = [];
  for (const [i, own] of certificates.entries()) {
    const list = lists[i] ?? [];
    const at = list.findIndex((place) => isSamePlace(place, own));
    rivals.push(
      at >= 0
        ? list.slice(0, at)
        : [...list, ...(await newerThan(ports, tenant, profileName, own))],
    );
  }
  return standingTest(ports, reader, tenant, rivals, nowMs);
}

/** Says of each device whether another certificate of it, under a profile of this name, is good or on hold. */
export async function holdingTest(
  ports: ReplacementPorts,
  tenant: TenantId,
  profileName: string,
  certificates: readonly StoredCertificate[],
  nowMs: number,
): Promise<(position: number) => boolean> {
  const devices = certificates.map(deviceOf);
  const lists = await ports.certificates.claimsOf(tenant, profileName, devices);
  return standingTest(ports, new CertificateReader(ports), tenant, lists, nowMs);
}

export async function profileNameOf(
  { orders }: Pick<MassPorts, 'orders'>,
  tenant: TenantId,
  orderId: OrderId,
): Promise<string> {
  const order = await orders.getOrder(tenant, orderId);
  if (order !== undefined) return order.profileName;
  throw new CertmillError('FAULT_STORE_CORRUPT', `order '${orderId}' of a batch is not stored`);
}

/** Requests of its device under its profile that were accepted after it, of the last ones. */
async function newerThan(
  ports: ReplacementPorts,
  tenant: TenantId,
  profileName: string,
  own: StoredCertificate,
): Promise<readonly RequestPlace[]> {
  const [places = []] = await ports.certificates.placesOf(tenant, [deviceOf(own)]);
  const newer: RequestPlace[] = [];
  for (const place of places) {
    if (isSamePlace(place, own)) break;
    const batch = await ports.batches.getBatch(tenant, place.batchId);
    if (batch === undefined) continue;
    const name = await profileNameOf(ports, tenant, batch.orderId);
    if (name === profileName) newer.push(place);
  }
  return newer;
}

/** Says of each list of requests whether one of them has a certificate that is good or on hold. Each chunk is read once. */
async function standingTest(
  ports: ReplacementPorts,
  reader: ChunkReader,
  tenant: TenantId,
  lists: readonly (readonly RequestPlace[])[],
  nowMs: number,
): Promise<(position: number) => boolean> {
  const byChunk = Map.groupBy(lists.flat(), ({ batchId, chunkNumber }) => {
    return `${batchId}/${String(chunkNumber)}`;
  });
  const standing = new Set<string>();
  for (const [first, ...others] of byChunk.values()) {
    if (first === undefined) continue;
    const { batchId, chunkNumber } = first;
    const wanted = new Set([first, ...others].map(({ index }) => index));
    const issued = await reader.ofChunk({ tenant, batchId, chunkNumber });
    const lasting = (issued ?? []).filter(
      ({ index, notAfterMs }) => wanted.has(index) && !hasExpired(notAfterMs, nowMs),
    );
    for (const one of await unrevoked(ports, lasting)) standing.add(keyOf(one));
  }
  return (position) => lists[position]?.some((place) => standing.has(keyOf(place))) ?? false;
}

async function unrevoked(
  ports: ReplacementPorts,
  certificates: readonly IssuedCertificate[],
): Promise<readonly IssuedCertificate[]> {
  const statuses = await readStatuses(ports, certificates);
  return certificates.filter((_, i) => {
    const status = statuses[i];
    return status?.state !== 'revoked' || isOnHold(status);
  });
}

function keyOf({ batchId, index }: CertificatePlace): string {
  return `${batchId}/${String(index)}`;
}
