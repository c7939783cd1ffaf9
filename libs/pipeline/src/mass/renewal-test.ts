import type { OrderId, TenantId } from '@certmill/domain';
import type { RequestPlace } from '@certmill/ports';
import { isSamePlace } from '../reissue-source.js';
import type { MassPorts } from './mass-ports.js';
import { readStandings, type ChunkReader, type StandingPorts } from './standing.js';
import { deviceOf, type StoredCertificate } from './stored-certificate.js';

export type RenewalPorts = StandingPorts & Pick<MassPorts, 'batches'>;

/**
 * Says of each certificate whether its device holds a good one of an order besides, under CAs that are in
 * force. One look into the index for all.
 */
export async function renewalTest(
  ports: RenewalPorts,
  tenant: TenantId,
  orderId: OrderId,
  certificates: readonly StoredCertificate[],
  nowMs: number,
  reader?: ChunkReader,
): Promise<(position: number) => boolean> {
  const orders = new Map<string, OrderId | undefined>();
  const isOfOrder = async ({ batchId }: RequestPlace): Promise<boolean> => {
    if (!orders.has(batchId)) {
      orders.set(batchId, (await ports.batches.getBatch(tenant, batchId))?.orderId);
    }
    return orders.get(batchId) === orderId;
  };
  const places = await ports.certificates.placesOf(tenant, certificates.map(deviceOf));
  const renewals: RequestPlace[][] = [];
  for (const [i, own] of certificates.entries()) {
    const ofOrder: RequestPlace[] = [];
    for (const place of places[i] ?? []) {
      if (!isSamePlace(place, own) && (await isOfOrder(place))) ofOrder.push(place);
    }
    renewals.push(ofOrder);
  }
  const standingOf = await readStandings(ports, tenant, renewals.flat(), nowMs, reader);
  const isGood = (place: RequestPlace): boolean => {
    const standing = standingOf(place);
    return standing !== undefined && !standing.isOnHold && standing.fallenCa === undefined;
  };
  return (position) => renewals[position]?.some(isGood) ?? false;
}
