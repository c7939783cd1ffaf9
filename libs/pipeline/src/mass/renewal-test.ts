import type { OrderId, TenantId } from '@certmill/domain';
import type { RequestPlace } from '@certmill/ports';
import { CertificateReader } from '../revoke/read-certificates.js';
import type { MassPorts } from './mass-ports.js';
import { deviceOf, type StoredCertificate } from './stored-certificate.js';

type RenewalPorts = Pick<MassPorts, 'batches' | 'certificates' | 'crlShardsOf'>;

/**
 * Says of each certificate whether its device holds a good one of an order besides. One look into the
 * index for all; of the order's chunks a few are kept, for devices that came together often come so again.
 */
export async function renewalTest(
  ports: RenewalPorts,
  tenant: TenantId,
  orderId: OrderId,
  certificates: readonly StoredCertificate[],
): Promise<(position: number) => boolean> {
  const reader = new CertificateReader(ports);
  const orders = new Map<string, OrderId | undefined>();
  const isOfOrder = async ({ batchId }: RequestPlace): Promise<boolean> => {
    if (!orders.has(batchId)) {
      orders.set(batchId, (await ports.batches.getBatch(tenant, batchId))?.orderId);
    }
    return orders.get(batchId) === orderId;
  };
  const isGood = async ({ batchId, chunkNumber, index }: RequestPlace): Promise<boolean> => {
    const issued = await reader.ofChunk({ tenant, batchId, chunkNumber });
    if (issued?.some((one) => one.index === index) !== true) return false;
    return (await ports.certificates.getStatus(tenant, batchId, index)).state === 'good';
  };
  const places = await ports.certificates.placesOf(tenant, certificates.map(deviceOf));
  const renewed = new Set<number>();
  for (const [i, { batchId, index }] of certificates.entries()) {
    for (const place of places[i] ?? []) {
      const isItself = place.batchId === batchId && place.index === index;
      if (isItself || !(await isOfOrder(place)) || !(await isGood(place))) continue;
      renewed.add(i);
      break;
    }
  }
  return (position) => renewed.has(position);
}
