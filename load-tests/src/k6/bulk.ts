import exec from 'k6/execution';
import { FileBytes } from './file-bytes.js';
import { issueBatch, warmUp } from './issue-batch.js';
import { openTenant, type Tenant } from './open-tenant.js';
import { commonOptions, settings, writeSummary } from './read-settings.js';

const requests = await FileBytes.open(settings.batch.requests);
const allowList = await FileBytes.open(settings.batch.allowList);
const first =
  settings.warmUp === null
    ? undefined
    : {
        requests: await FileBytes.open(settings.warmUp.requests),
        allowList: await FileBytes.open(settings.warmUp.allowList),
        count: settings.warmUp.count,
      };

/** Several tenants upload a batch each at once, some times over. */
export const options = {
  ...commonOptions,
  scenarios: {
    bulk: {
      executor: 'per-vu-iterations',
      vus: settings.tenants,
      iterations: settings.batches,
      maxDuration: '4h',
      exec: 'upload',
    },
  },
};

/** A tenant for each batch, for there each device has one certificate. */
export async function setup(): Promise<readonly Tenant[]> {
  if (first !== undefined) {
    await warmUp(await openTenant('warm-up', first.allowList, first.count), first.requests);
  }
  const tenants: Tenant[] = [];
  for (let i = 0; i < settings.tenants * settings.batches; i += 1) {
    tenants.push(await openTenant(`bulk-${String(i)}`, allowList, settings.batch.count));
  }
  return tenants;
}

export async function upload(tenants: readonly Tenant[]): Promise<void> {
  const i = exec.scenario.iterationInTest;
  const tenant = tenants[i];
  if (tenant === undefined) return;
  await issueBatch(tenant, requests, settings.batch.count, `batch-${String(i)}`);
}

export { writeSummary as handleSummary };
