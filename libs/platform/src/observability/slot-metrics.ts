import { Counter, Gauge, type Registry } from 'prom-client';
import { registerHistogram } from './counted-histogram.js';
import { SaturationMeter } from './saturation-meter.js';

/** A place of keys as its pool tells of it: `SlotHealth` of @certmill/signing. Counts only grow. */
export interface SlotReading {
  readonly slot: string;
  readonly state: string;
  readonly sessions: number;
  /** Times that it went out of service. */
  readonly failures: number;
  readonly usage: {
    readonly signatures: number;
    readonly busySeconds: number;
    readonly latency: { readonly sumSeconds: number; readonly counts: readonly number[] };
  };
}

const labelNames = ['slot'] as const;

/**
 * Everything that is told of slots, read anew for each scrape. It is told by slot, not by issuer: a slot
 * has the keys of any number of them.
 * @param readIssuersOut names of issuers of which no key can be used.
 */
export function registerSlots(
  registry: Registry,
  read: () => readonly SlotReading[],
  latencyBoundsSeconds: readonly number[],
  readIssuersOut: () => readonly string[],
): void {
  const registers = [registry];
  const gauge = (name: string, help: string, valueOf: (slot: SlotReading) => number): void => {
    new Gauge({
      name: `certmill_sign_slot_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const slot of read()) this.set(labelsOf(slot), valueOf(slot));
      },
    });
  };
  const counter = (name: string, help: string, totalOf: (slot: SlotReading) => number): void => {
    new Counter({
      name: `certmill_sign_slot_${name}_total`,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const slot of read()) this.inc(labelsOf(slot), totalOf(slot));
      },
    });
  };
  const saturation = new SaturationMeter();
  gauge('ready', '1 where the slot takes chunks.', ({ state }) => (state === 'ready' ? 1 : 0));
  gauge('sessions', 'Open sessions.', ({ sessions }) => sessions);
  gauge(
    'saturation_ratio',
    'Share of the time since the last scrape that its sessions had chunks in hand, 0-1.',
    (slot) => saturation.ratio(slot.slot, slot.usage.busySeconds, slot.sessions),
  );
  new Gauge({
    name: 'certmill_sign_issuer_out',
    help: '1 for each issuer of which no key can be used; at most 100 of them.',
    labelNames: ['issuer'],
    registers,
    collect() {
      this.reset();
      for (const issuer of readIssuersOut()) this.set({ issuer }, 1);
    },
  });
  counter('signatures', 'Signatures made.', ({ usage }) => usage.signatures);
  counter('failures', 'Times that the slot went out of service.', ({ failures }) => failures);
  counter(
    'busy_seconds',
    'Time that its sessions had chunks in hand.',
    ({ usage }) => usage.busySeconds,
  );
  registerHistogram(registry, {
    name: 'certmill_sign_slot_signature_duration_seconds',
    help: 'Duration of one signature.',
    bounds: latencyBoundsSeconds,
    read: () => read().map((slot) => ({ labels: labelsOf(slot), ...slot.usage.latency })),
  });
}

function labelsOf({ slot }: SlotReading): Record<(typeof labelNames)[number], string> {
  return { slot };
}
