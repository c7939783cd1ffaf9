import type { LoadSettings } from '../settings.js';

/** The settings of this run; its file is named in CERTMILL_LOAD_SETTINGS. */
export const settings = JSON.parse(open(__ENV['CERTMILL_LOAD_SETTINGS'] ?? '')) as LoadSettings;

/** What every scenario has in its options. */
export const commonOptions = {
  thresholds: settings.thresholds,
  setupTimeout: '15m',
  summaryTrendStats: ['count', 'min', 'med', 'avg', 'p(95)', 'p(99)', 'max'],
};

/** k6's own account of the run goes to the runner, which says what there is to say. */
export function writeSummary(summary: unknown): Record<string, string> {
  return { [settings.summaryFile]: JSON.stringify(summary) };
}
