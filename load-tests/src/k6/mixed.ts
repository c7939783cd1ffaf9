import exec from 'k6/execution';
import { arrivals } from './arrivals.js';
import { enrolDevice, openSingleTenants } from './enrol-device.js';
import { FileBytes } from './file-bytes.js';
import { issueBatch } from './issue-batch.js';
import { openTenant, type Tenant } from './open-tenant.js';
import { commonOptions, settings, writeSummary } from './read-settings.js';

const { rate, seconds, tenants: uploaders } = settings;
const requests = await FileBytes.open(settings.batch.requests);
const allowList = await FileBytes.open(settings.batch.allowList);

/** Single enrolments while tenants upload one batch after the other. */
export const options = {
  ...commonOptions,
  scenarios: {
    interactive: { ...arrivals(rate, seconds), exec: 'enrol' },
    bulk: {
      executor: 'constant-vus',
      vus: uploaders,
      duration: `${String(seconds)}s`,
      // The batch that is under way counts.
      gracefulStop: '15m',
      exec: 'upload',
    },
  },
};

export function setup(): Promise<readonly Tenant[]> {
  return openSingleTenants(rate * seconds + 1);
}

export function enrol(tenants: readonly Tenant[]): void {
  enrolDevice(tenants);
}

/** How many batches there will be, only the server knows: each opens its tenant when it begins. */
export async function upload(): Promise<void> {
  const name = `mixed-${String(exec.scenario.iterationInTest)}`;
  const tenant = await openTenant(name, allowList, settings.batch.count);
  await issueBatch(tenant, requests, settings.batch.count, name);
}

export { writeSummary as handleSummary };
