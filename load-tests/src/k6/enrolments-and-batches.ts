import exec from 'k6/execution';
import { arrivals } from './arrivals.js';
import { enrolDevice, openSingleTenants } from './enrol-device.js';
import { FileBytes } from './file-bytes.js';
import { issueBatch } from './issue-batch.js';
import { openTenant, type Tenant } from './open-tenant.js';
import { commonOptions, settings } from './read-settings.js';

const { rate, seconds } = settings;
const requests = await FileBytes.open(settings.batch.requests);
const allowList = await FileBytes.open(settings.batch.allowList);

/** Single enrolments for the whole time, with batches beside them as `bulk` says; their scenario runs `upload`. */
export function optionsWith(bulk: Readonly<Record<string, string | number>>) {
  return {
    ...commonOptions,
    scenarios: { interactive: { ...arrivals(rate, seconds), exec: 'enrol' }, bulk },
  };
}

export function setup(): Promise<readonly Tenant[]> {
  return openSingleTenants(rate * seconds + 1);
}

export function enrol(tenants: readonly Tenant[]): void {
  enrolDevice(tenants);
}

/** How many batches there will be, only the server knows: each opens its tenant when it begins. */
export async function uploadAs(scenario: string): Promise<void> {
  const name = `${scenario}-${String(exec.scenario.iterationInTest)}`;
  const tenant = await openTenant(name, allowList, settings.batch.count);
  await issueBatch(tenant, requests, settings.batch.count, name);
}
