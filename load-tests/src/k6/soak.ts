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

/** A steady load that leaves the server time to spare, for long: what grows, grows here. */
export const options = {
  ...commonOptions,
  scenarios: {
    interactive: { ...arrivals(rate, seconds), exec: 'enrol' },
    bulk: {
      executor: 'constant-arrival-rate',
      rate: 1,
      timeUnit: '30s',
      duration: `${String(seconds)}s`,
      preAllocatedVUs: uploaders,
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

export async function upload(): Promise<void> {
  const name = `soak-${String(exec.scenario.iterationInTest)}`;
  const tenant = await openTenant(name, allowList, settings.batch.count);
  await issueBatch(tenant, requests, settings.batch.count, name);
}

export { writeSummary as handleSummary };
