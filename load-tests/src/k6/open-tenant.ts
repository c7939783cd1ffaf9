import { mustCallApi } from './call-api.js';
import type { FileBytes } from './file-bytes.js';
import { settings } from './read-settings.js';

/** A tenant with an order whose allow-list holds exactly the devices of one data set. */
export interface Tenant {
  readonly key: string;
  readonly orderId: string;
}

const orderId = 'load';
const dayMs = 86_400_000;

/**
 * Opens a tenant of this run's own. A device gets one live certificate of a profile in each tenant, so
 * under a new one the same requests are new work.
 */
export async function openTenant(
  name: string,
  allowList: FileBytes,
  quota: number,
): Promise<Tenant> {
  const tenant = `load-${settings.runId}-${name}`;
  mustCallApi({ name: 'open tenant', method: 'POST', path: '/v1/tenants', body: json({ tenant }) });
  const { key } = mustCallApi({
    name: 'make credential',
    method: 'POST',
    path: `/v1/tenants/${tenant}/credentials`,
    body: json({ role: 'operator', label: 'load test' }),
  }) as { readonly key: string };
  mustCallApi({
    name: 'open order',
    method: 'POST',
    path: '/v1/orders',
    key,
    body: json({
      orderId,
      profile: 'tls-client',
      quota,
      expiresAt: new Date(Date.now() + dayMs).toISOString(),
    }),
  });
  mustCallApi({
    name: 'import allow-list',
    method: 'PUT',
    path: `/v1/orders/${orderId}/devices`,
    key,
    body: await allowList.read(),
    contentType: 'text/csv',
  });
  return { key, orderId };
}

function json(value: unknown): string {
  return JSON.stringify(value);
}
