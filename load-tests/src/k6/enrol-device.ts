import { check } from 'k6';
import { SharedArray } from 'k6/data';
import exec from 'k6/execution';
import { Counter, Trend } from 'k6/metrics';
import { callApi } from './call-api.js';
import { FileBytes } from './file-bytes.js';
import { openTenant, type Tenant } from './open-tenant.js';
import { settings } from './read-settings.js';

const pemBegin = '-----BEGIN CERTIFICATE-----';

const issued = new Counter('certmill_single_certificates');
const milliseconds = new Trend('certmill_enrolment_ms', true);

/** One copy for all virtual users. */
const requests = new SharedArray('requests', () =>
  open(settings.singles.requests).trimEnd().split('\n'),
);
const allowList = await FileBytes.open(settings.singles.allowList);

/** As many tenants as it takes for each enrolment to be of a device that has no certificate yet. */
export async function openSingleTenants(enrolments: number): Promise<readonly Tenant[]> {
  const tenants: Tenant[] = [];
  const needed = Math.ceil(enrolments / settings.singles.count);
  for (let i = 0; i < needed; i += 1) {
    tenants.push(await openTenant(`single-${String(i)}`, allowList, settings.singles.count));
  }
  return tenants;
}

/** The next device of the run gets its certificate within the call. */
export function enrolDevice(tenants: readonly Tenant[]): void {
  const i = exec.scenario.iterationInTest;
  const tenant = tenants[Math.floor(i / requests.length)];
  const body = requests[i % requests.length];
  if (tenant === undefined || body === undefined) {
    exec.test.abort('there are more enrolments than devices');
    return;
  }
  const answer = callApi({
    name: 'enrol',
    method: 'POST',
    path: `/v1/orders/${tenant.orderId}/certificates`,
    key: tenant.key,
    body,
  });
  const isIssued = check(answer, {
    // 202: still in work when the call ended. It is no failed call, and no certificate either.
    'the certificate comes within the call': ({ status }) => status === 201,
    'the certificate is in the answer': ({ body: text }) => text?.includes(pemBegin) === true,
  });
  if (isIssued) issued.add(1);
  milliseconds.add(answer.timings.duration);
}
