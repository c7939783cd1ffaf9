import { join } from 'node:path';
import { driveBatch, json, putFile, type DrivenBatch, type ServerAccess } from './drive-batch.js';
import { makeDevices } from './make-devices.js';

/** An order's devices, made beforehand; file names. */
export interface PreparedLoad {
  readonly orderId: string;
  readonly count: number;
  readonly requests: string;
  readonly allowList: string;
  readonly certificates: string;
}

export async function prepareLoad(
  directory: string,
  orderId: string,
  count: number,
): Promise<PreparedLoad> {
  const own = join(directory, orderId);
  const range = { prefix: `${orderId}-`, first: 1, count };
  const { requests, allowList } = await makeDevices(own, range, () => undefined);
  return { orderId, count, requests, allowList, certificates: join(own, 'certificates.pem') };
}

/** Uploads the requests and follows their certificates. */
export function drive(
  access: ServerAccess,
  { orderId, requests, certificates }: PreparedLoad,
  onProgress: Parameters<typeof driveBatch>[4],
): Promise<DrivenBatch> {
  return driveBatch(access, orderId, requests, certificates, onProgress);
}

/** Opens the order with its allow-list. */
export async function openOrder(
  access: ServerAccess,
  { orderId, count, allowList }: PreparedLoad,
): Promise<void> {
  const order = {
    orderId,
    profile: 'tls-client',
    quota: count,
    expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
    requiresAllowList: true,
  };
  await json(access, '/v1/orders', { method: 'POST', body: JSON.stringify(order) });
  await putFile(access, `/v1/orders/${orderId}/devices`, allowList, 'text/csv');
}
