import type { BatchView } from '../client/views.js';
import { formatNumber } from '../terminal/quantities.js';

/** A batch for people; counts that are 0 are left out but for the issued. */
export function batchLines(batch: BatchView): string[] {
  const { counters } = batch;
  const rare = [
    ['rejected', counters.rejected],
    ['cancelled', counters.cancelled],
    ['dead-lettered', counters.deadLettered],
    ['in flight', counters.inFlight],
  ] as const;
  return [
    `batch     ${batch.batchId} (${batch.state})`,
    `accepted  ${formatNumber(counters.accepted)}`,
    `issued    ${formatNumber(counters.issued)}`,
    ...rare.flatMap(([name, count]) =>
      count === 0 ? [] : [`${name.padEnd(9)} ${formatNumber(count)}`],
    ),
  ];
}

/** What to type after a batch has ended. */
export function nextLines({ batchId, counters }: BatchView): string[] {
  return [
    '',
    'next:',
    counters.deadLettered > 0
      ? `  certmill dead-letters list ${batchId}    # then retry or drop them`
      : `  certmill fetch ${batchId} --out ./certs/`,
  ];
}
