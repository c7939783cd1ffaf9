import { Gauge, type Registry } from 'prom-client';

/** Since when changes of an issuer's certificates wait: `WaitingChanges` of @certmill/pipeline. */
export interface WaitingReading {
  readonly issuer: string;
  readonly sinceMs: number;
}

/** How long revocations, holds and releases take until anybody is told of them. */
export class RevocationMetrics {
  readonly #reads: (() => readonly (readonly [
    WaitingReading,
    what: 'crl' | 'ocsp',
    ms: number,
  ])[])[] = [];

  constructor(registry: Registry) {
    const reads = this.#reads;
    new Gauge({
      name: 'certmill_revocation_waiting_seconds',
      help: 'Age of the oldest change that no CRL in force has, or no response signed ahead tells.',
      labelNames: ['issuer', 'in'],
      registers: [registry],
      collect() {
        this.reset();
        for (const [{ issuer, sinceMs }, what, nowMs] of reads.flatMap((read) => read())) {
          this.set({ issuer, in: what }, Math.max(0, nowMs - sinceMs) / 1_000);
        }
      },
    });
  }

  /** Read when scraped. Called once per process for each of the two. */
  waiting(what: 'crl' | 'ocsp', read: () => readonly WaitingReading[], nowMs: () => number): void {
    this.#reads.push(() => read().map((reading) => [reading, what, nowMs()] as const));
  }
}
