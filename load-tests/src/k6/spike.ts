import { usersFor } from './arrivals.js';
import { enrolDevice, openSingleTenants } from './enrol-device.js';
import type { Tenant } from './open-tenant.js';
import { commonOptions, settings, writeSummary } from './read-settings.js';

const { rate: peak, seconds } = settings;
const calm = Math.max(1, Math.floor(peak / 10));
const part = (share: number): string => `${String(Math.max(1, Math.round(seconds * share)))}s`;

/** A calm rate, ten times as much within moments, and calm again. */
export const options = {
  ...commonOptions,
  scenarios: {
    spike: {
      executor: 'ramping-arrival-rate',
      startRate: calm,
      timeUnit: '1s',
      preAllocatedVUs: usersFor(peak),
      stages: [
        { target: calm, duration: part(0.3) },
        { target: peak, duration: part(0.05) },
        { target: peak, duration: part(0.3) },
        { target: calm, duration: part(0.05) },
        { target: calm, duration: part(0.3) },
      ],
      exec: 'enrol',
    },
  },
};

/** As many devices as if the peak lasted from the beginning to the end. */
export function setup(): Promise<readonly Tenant[]> {
  return openSingleTenants(peak * (seconds + 5));
}

export function enrol(tenants: readonly Tenant[]): void {
  enrolDevice(tenants);
}

export { writeSummary as handleSummary };
