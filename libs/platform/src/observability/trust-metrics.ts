import { Gauge, type Registry } from 'prom-client';

/** What ends: the certificates of issuers, those of OCSP responders, and CRLs of CA certificates. */
export type TrustKind = 'issuer' | 'responder' | 'ca_crl';

/** When what the process signs with runs out. */
export class TrustMetrics {
  readonly #ends = new Map<TrustKind, () => number | undefined>();

  constructor(registry: Registry) {
    const ends = this.#ends;
    new Gauge({
      name: 'certmill_trust_not_after_seconds',
      help: 'The first end of a certificate that the process signs with, or nextUpdate of a CRL of CAs that it serves, in Unix seconds.',
      labelNames: ['kind'],
      registers: [registry],
      collect() {
        this.reset();
        for (const [kind, firstEndMs] of ends) {
          const endMs = firstEndMs();
          if (endMs !== undefined) this.set({ kind }, endMs / 1_000);
        }
      },
    });
  }

  /**
   * Told at each scrape; no series where there is no end.
   * @param firstEndMs Unix milliseconds.
   */
  ends(kind: TrustKind, firstEndMs: () => number | undefined): void {
    this.#ends.set(kind, firstEndMs);
  }
}
