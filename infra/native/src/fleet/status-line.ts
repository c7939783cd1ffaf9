import { stages, type FleetStatus } from './fleet-status.js';

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** What a fleet does between two looks, in one line. */
export function statusLine(before: FleetStatus | undefined, now: FleetStatus): string {
  const { waiting } = now;
  return [
    `${whole.format(issuedPerSecond(before, now))} issued/s`,
    waiting === undefined
      ? 'waiting: unknown'
      : `waiting: ${stages.map((stage) => `${stage} ${whole.format(waiting[stage])}`).join(', ')}`,
    `slots ${String(now.slotsReady)}/${String(now.slots)}`,
    `services ${String(now.ready)}/${String(now.services)}`,
    ...(now.waitingFor.size === 0 ? [] : [`waiting for ${[...now.waitingFor].join(', ')}`]),
  ].join(' | ');
}

/** A process that began anew counts from 0. */
function issuedPerSecond(before: FleetStatus | undefined, now: FleetStatus): number {
  if (before === undefined || now.atMs <= before.atMs) return 0;
  let issued = 0;
  for (const [name, count] of now.issued) {
    const counted = before.issued.get(name) ?? 0;
    issued += count >= counted ? count - counted : count;
  }
  return issued / ((now.atMs - before.atMs) / 1_000);
}
