import type { Pace } from './pace.js';
import type { ProgressState } from './progress.js';
import { formatDuration, formatNumber } from './quantities.js';

/** `issued 5,000 of 10,000, 3 rejected, 12,400/s, 0.4 s left`; what is unknown is left out. */
export function describeProgress(
  label: string,
  state: ProgressState,
  pace: Pace,
  nowMs: number,
): string {
  const of = state.total === undefined ? '' : ` of ${formatNumber(state.total)}`;
  const parts = [`${label} ${formatNumber(state.done)}${of}`];
  if (state.rejected !== undefined && state.rejected > 0) {
    parts.push(`${formatNumber(state.rejected)} rejected`);
  }
  const rate = pace.ratePerSecond(state, nowMs);
  if (rate !== undefined) parts.push(`${formatNumber(rate)}/s`);
  const left = pace.secondsLeft(state, nowMs);
  if (left !== undefined && left > 0) parts.push(`${formatDuration(left)} left`);
  return parts.join(', ');
}
