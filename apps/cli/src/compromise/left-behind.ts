import type { StepFacts } from '@certmill/trust/compromise';

const kinds = ['rejected', 'deadLettered', 'refused', 'onHold'] as const;

/** Devices that have no new certificate when what they hold is revoked, by the facts of the step `reissue`. */
export function devicesWithout(reissue: StepFacts): number {
  return kinds.reduce((total, kind) => total + Number(reissue[kind] ?? 0), 0);
}
