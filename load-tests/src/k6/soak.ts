import { enrol, optionsWith, setup, uploadAs } from './enrolments-and-batches.js';
import { settings, writeSummary } from './read-settings.js';

/** A steady load that leaves the server time to spare, for long: what grows, grows here. */
export const options = optionsWith({
  executor: 'constant-arrival-rate',
  rate: 1,
  timeUnit: '30s',
  duration: `${String(settings.seconds)}s`,
  preAllocatedVUs: settings.tenants,
  gracefulStop: '15m',
  exec: 'upload',
});

export function upload(): Promise<void> {
  return uploadAs('soak');
}

export { enrol, setup, writeSummary as handleSummary };
