import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** How old an issuer's CRLs are: `CrlAge` of @certmill/pipeline. */
export interface CrlAgeReading {
  readonly issuer: string;
  readonly oldestThisUpdateMs: number;
  readonly firstNextUpdateMs: number;
  readonly missing: number;
}

/** CRLs that this process makes, by kind (`full`, `delta`) and, of their ages, by configured issuer. */
export class CrlMetrics {
  readonly #registry: Registry;
  readonly #seconds: Histogram<'kind'>;
  readonly #entries: Counter<'kind'>;
  readonly #failures: Counter<'kind' | 'code'>;

  constructor(registry: Registry) {
    this.#registry = registry;
    const registers = [registry];
    this.#seconds = new Histogram({
      name: 'certmill_crl_build_seconds',
      help: 'Duration of making a CRL: rows read, signed, stored.',
      labelNames: ['kind'],
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60],
      registers,
    });
    this.#entries = new Counter({
      name: 'certmill_crl_entries_total',
      help: 'Entries of CRLs that were made.',
      labelNames: ['kind'],
      registers,
    });
    this.#failures = new Counter({
      name: 'certmill_crl_failures_total',
      help: 'CRLs that could not be made, by code; each is tried again.',
      labelNames: ['kind', 'code'],
      registers,
    });
  }

  built(kind: 'full' | 'delta', entries: number, seconds: number): void {
    this.#seconds.observe({ kind }, seconds);
    this.#entries.inc({ kind }, entries);
  }

  failed(kind: 'full' | 'delta', code: string): void {
    this.#failures.inc({ kind, code });
  }

  /** Ages, read when scraped. Called once per process. */
  ages(read: () => readonly CrlAgeReading[], nowMs: () => number): void {
    const gauge = (
      name: string,
      help: string,
      valueOf: (age: CrlAgeReading) => number | undefined,
    ): void => {
      new Gauge({
        name: `certmill_crl_${name}`,
        help,
        labelNames: ['issuer'],
        registers: [this.#registry],
        collect() {
          this.reset();
          for (const age of read()) {
            const value = valueOf(age);
            if (value !== undefined) this.set({ issuer: age.issuer }, value);
          }
        },
      });
    };
    const seconds = (fromMs: number, toMs: number): number | undefined =>
      Number.isFinite(fromMs) && Number.isFinite(toMs) ? (toMs - fromMs) / 1_000 : undefined;
    gauge('age_seconds', "Age of the issuer's oldest full CRL.", ({ oldestThisUpdateMs }) =>
      seconds(oldestThisUpdateMs, nowMs()),
    );
    gauge(
      'remaining_seconds',
      "Time until the first of the issuer's full CRLs ends; below 0 it has.",
      ({ firstNextUpdateMs }) => seconds(nowMs(), firstNextUpdateMs),
    );
    gauge('missing', 'Shards of the issuer that have no CRL.', ({ missing }) => missing);
  }
}
