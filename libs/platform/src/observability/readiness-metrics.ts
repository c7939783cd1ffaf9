import { Gauge, type Registry } from 'prom-client';
import type { Readiness } from './readiness.js';

/** What a process can tell of: each is a series from the beginning, so that it is seen to change. */
export interface KnownParts {
  /** Stages and parts that may halt. */
  readonly parts: readonly string[];
  /** What it may wait for. */
  readonly needs: readonly string[];
}

export function registerReadiness(
  registry: Registry,
  readiness: Readiness,
  { parts, needs }: KnownParts,
): void {
  const registers = [registry];
  new Gauge({
    name: 'certmill_halted',
    help: '1 where a stage or a part halted: a person must look.',
    labelNames: ['part'],
    registers,
    collect() {
      for (const part of parts) this.set({ part }, 0);
      for (const { stage } of readiness.halted()) this.set({ part: stage }, 1);
    },
  });
  new Gauge({
    name: 'certmill_waiting',
    help: '1 while the process waits for what it cannot do without.',
    labelNames: ['for'],
    registers,
    collect() {
      for (const need of needs) this.set({ for: need }, 0);
      for (const waited of readiness.waitingFor()) {
        // `kafka at broker:9092`: addresses are no closed set.
        const need = needs.find((known) => waited.startsWith(known));
        if (need !== undefined) this.set({ for: need }, 1);
      }
    },
  });
}
