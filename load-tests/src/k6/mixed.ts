import { enrol, optionsWith, setup, uploadAs } from './enrolments-and-batches.js';
import { settings, writeSummary } from './read-settings.js';

/** Single enrolments while tenants upload one batch after the other. */
export const options = optionsWith({
  executor: 'constant-vus',
  vus: settings.tenants,
  duration: `${String(settings.seconds)}s`,
  // The batch that is under way counts.
  gracefulStop: '15m',
  exec: 'upload',
});

export function upload(): Promise<void> {
  return uploadAs('mixed');
}

export { enrol, setup, writeSummary as handleSummary };
