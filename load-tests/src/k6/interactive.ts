import { enrolDevice, openSingleTenants } from './enrol-device.js';
import type { Tenant } from './open-tenant.js';
import { commonOptions, settings, writeSummary } from './read-settings.js';
import { arrivals } from './arrivals.js';

const { rate, seconds } = settings;

/** Single enrolments in an open loop: they come at their rate, however slow the answers are. */
export const options = {
  ...commonOptions,
  scenarios: { interactive: { ...arrivals(rate, seconds), exec: 'enrol' } },
};

export function setup(): Promise<readonly Tenant[]> {
  return openSingleTenants(rate * seconds + 1);
}

export function enrol(tenants: readonly Tenant[]): void {
  enrolDevice(tenants);
}

export { writeSummary as handleSummary };
