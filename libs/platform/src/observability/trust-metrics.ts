import { Gauge, type Registry } from 'prom-client';
import { cached, readOf } from './scrape-readings.js';

/** What ends: the certificates of issuers, of OCSP responders and of delegates by people, and CRLs of CA certificates. */
export type TrustKind = 'issuer' | 'responder' | 'delegate' | 'ca_crl';

/** A look at delegates reads a folder of each CA: some 60 us. */
const delegatesEveryMs = 60_000;

type ReadEnd = () => number | undefined | Promise<number | undefined>;

/** When what the process signs with runs out. */
export class TrustMetrics {
  readonly #ends = new Map<TrustKind, ReadEnd>();

  constructor(registry: Registry) {
    const ends = this.#ends;
    new Gauge({
      name: 'certmill_trust_not_after_seconds',
      help: 'The first end of what the process signs with or serves, by what it is, in Unix seconds.',
      labelNames: ['kind'],
      registers: [registry],
      async collect() {
        const read = [...ends].map(async ([kind, end]) => [kind, await readOf(end)] as const);
        const found = await Promise.all(read);
        this.reset();
        for (const [kind, endMs] of found) {
          if (endMs !== undefined) this.set({ kind }, endMs / 1_000);
        }
      },
    });
  }

  /**
   * Told at each scrape; no series where there is no end, or it cannot be read.
   * @param firstEndMs Unix milliseconds.
   */
  ends(kind: TrustKind, firstEndMs: ReadEnd): void {
    this.#ends.set(kind, firstEndMs);
  }

  /** The same of delegates that people are to replace, read once a minute at most. */
  delegates(ends: { firstEndMs(): Promise<number | undefined> }): void {
    this.ends(
      'delegate',
      cached(() => ends.firstEndMs(), delegatesEveryMs),
    );
  }
}
