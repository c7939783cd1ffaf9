import type { OrderId, TenantId } from '@certmill/domain';
import type { RequestPlace } from '@certmill/ports';
import type { MassPorts } from './mass-ports.js';
import { placesAfter } from './places-after.js';
import { readStandings, type ChunkReader, type StandingPorts } from './standing.js';
import type { StoredCertificate } from './stored-certificate.js';

export type RenewalPorts = StandingPorts & Pick<MassPorts, 'batches'>;

/**
 * Says of each certificate whether its device has got a good one of an order after it, under CAs that are in
 * force.
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
  const renewals: RequestPlace[][] = [];
  for (const places of await placesAfter(ports, tenant, certificates)) {
    const ofOrder: RequestPlace[] = [];
    for (const place of places) if (await isOfOrder(place)) ofOrder.push(place);
    renewals.push(ofOrder);
  }
  const standingOf = await readStandings(ports, tenant, renewals.flat(), nowMs, reader);
  const isGood = (place: RequestPlace): boolean => {
    const standing = standingOf(place);
    return standing !== undefined && !standing.isOnHold && standing.fallenCa === undefined;
  };
  return (position) => renewals[position]?.some(isGood) ?? false;
}
