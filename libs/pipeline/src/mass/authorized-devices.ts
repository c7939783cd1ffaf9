import type { Order, OrderId, TenantId } from '@certmill/domain';
import type { AllowListRow } from '@certmill/ports';
import { reissueSourceOf } from '../reissue-source.js';
import type { MassPorts } from './mass-ports.js';
import { isOrderOfReissue } from './operation-order.js';
import { listedDeviceOf, type StoredCertificate } from './stored-certificate.js';

export type AuthorizationPorts = Pick<MassPorts, 'orders' | 'batches' | 'profiles'>;

/**
 * Says of each certificate of a batch whether its device may have another one: whether it stands on the
 * allow-list in force of the order that the first one was asked for under. An order without a list lets any device.
 * @param keepsKey The new certificate is for the same key: then the list must not bind another one.
 */
export async function authorizationTest(
  ports: AuthorizationPorts,
  tenant: TenantId,
  orderId: OrderId,
  certificates: readonly StoredCertificate[],
  keepsKey: boolean,
): Promise<(position: number) => boolean> {
  const isReissue = await isOrderOfReissue(ports, tenant, orderId);
  const orderIds = new Map<string, OrderId>();
  const orderOf = async ({ source }: StoredCertificate): Promise<OrderId> => {
    const { batchId } = reissueSourceOf(source).first;
    const known = orderIds.get(batchId);
    if (known !== undefined) return known;
    const found = (await ports.batches.getBatch(tenant, batchId))?.orderId ?? orderId;
    orderIds.set(batchId, found);
    return found;
  };
  const groups = new Map<OrderId, number[]>();
  for (const [i, certificate] of certificates.entries()) {
    const of = isReissue ? await orderOf(certificate) : orderId;
    groups.set(of, [...(groups.get(of) ?? []), i]);
  }
  const authorized = new Set<number>();
  for (const [of, positions] of groups) {
    const order = await ports.orders.getOrder(tenant, of);
    const asked = positions.flatMap((i) => certificates[i] ?? []);
    const rows = order?.requiresAllowList === true ? await rowsOf(ports, order, asked) : undefined;
    for (const [at, i] of positions.entries()) {
      const certificate = certificates[i];
      const isOn = rows === undefined || isListed(rows[at], certificate, keepsKey);
      if (isOn) authorized.add(i);
    }
  }
  return (position) => authorized.has(position);
}

/** Where a profile ignores the case of device ids, certificates have them in lower case. */
async function rowsOf(
  ports: AuthorizationPorts,
  order: Order,
  certificates: readonly StoredCertificate[],
): Promise<readonly (AllowListRow | undefined)[]> {
  const { tenant, orderId, profileHash } = order;
  const rows = await ports.orders.lookUp(tenant, orderId, certificates.map(listedDeviceOf));
  if (!rows.includes(undefined)) return rows;
  const profile = await ports.profiles.get(tenant, profileHash);
  if (profile?.deviceIdIgnoresCase !== true) return rows;
  const upper = certificates.map((each) => {
    return listedDeviceOf({ ...each, uploadedDeviceId: each.deviceId.toUpperCase() });
  });
  const more = await ports.orders.lookUp(tenant, orderId, upper);
  return rows.map((row, i) => row ?? more[i]);
}

/** As validate decides on a request (decide-values.ts). */
function isListed(
  row: AllowListRow | undefined,
  certificate: StoredCertificate | undefined,
  keepsKey: boolean,
): boolean {
  if (row === undefined || certificate === undefined) return false;
  const { deviceId, udid } = certificate;
  const isSame = deviceId === '' || row.deviceId?.toLowerCase() === deviceId.toLowerCase();
  if (row.deviceId !== undefined && !isSame) return false;
  const key = Buffer.from(udid).toString('hex');
  return !keepsKey || row.udid === undefined || row.udid.toLowerCase() === key;
}
