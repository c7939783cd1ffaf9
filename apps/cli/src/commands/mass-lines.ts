import type { MassOperationView } from '../client/views.js';
import { formatDuration, formatNumber } from '../terminal/quantities.js';

/** A mass operation for people. */
export function massLines(operation: MassOperationView): string[] {
  const { operationId, kind, state, selection, counts, failure } = operation;
  const { requests, lookedAt } = counts;
  const selected = Object.entries(selection).map(([name, value]) => `${name} ${String(value)}`);
  const eta =
    operation.etaSeconds === undefined ? '' : `, ${formatDuration(operation.etaSeconds)} left`;
  return [
    `operation  ${operationId} (${kind}, ${state})`,
    `selection  ${selected.join(', ')}`,
    ...(kind !== 'revoke'
      ? [`new        issuer ${String(operation.issuer)}, profile ${String(operation.profile)}`]
      : [`reason     ${String(operation.reason)}`]),
    `looked at  ${formatNumber(lookedAt)} of ${formatNumber(requests)} requests${eta}`,
    `selected   ${formatNumber(counts.selected)} certificates`,
    `outcome    ${outcomeOf(operation)}`,
    ...(failure === undefined ? [] : [`failure    ${failure.code}: ${failure.message}`]),
  ];
}

/** What became, or would become, of the certificates. */
function outcomeOf({ kind, state, counts }: MassOperationView): string {
  const { changed, unchanged, refused, submitted, skipped, issued, rejected, deadLettered } =
    counts;
  const denied = refused === 0 ? [] : [`${formatNumber(refused)} refused`];
  const pending = counts.pending === 0 ? [] : [`${formatNumber(counts.pending)} were on their way`];
  if (kind === 'revoke') {
    return [
      `${formatNumber(changed)} ${state === 'dry-run' ? 'would be ' : ''}revoked`,
      `${formatNumber(unchanged)} were so already`,
      `${formatNumber(refused)} refused`,
      ...pending,
    ].join(', ');
  }
  if (kind === 'renew') {
    return [
      `${formatNumber(submitted)} may renew`,
      `${formatNumber(skipped)} passed over`,
      ...denied,
      ...(state === 'dry-run'
        ? []
        : [`${formatNumber(issued)} issued`, `${formatNumber(rejected)} rejected`]),
      ...pending,
    ].join(', ');
  }
  if (state === 'dry-run') {
    return [
      `${formatNumber(submitted)} would be issued`,
      `${formatNumber(skipped)} passed over`,
      ...denied,
      ...pending,
    ].join(', ');
  }
  return [
    `${formatNumber(submitted)} submitted`,
    `${formatNumber(skipped)} passed over`,
    ...denied,
    `${formatNumber(issued)} issued`,
    `${formatNumber(rejected)} rejected`,
    ...(deadLettered === 0 ? [] : [`${formatNumber(deadLettered)} dead letters`]),
    ...pending,
  ].join(', ');
}
