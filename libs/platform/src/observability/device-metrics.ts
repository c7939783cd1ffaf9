import { countedDays, type ToRenewCounts } from '@certmill/pipeline';
import { Gauge, type Registry } from 'prom-client';

/** What devices are to renew, as this process has counted it last; no series before. */
export class DeviceMetrics {
  readonly #ending: Gauge<'issuer' | 'days'>;
  readonly #countedAt: Gauge;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#ending = new Gauge({
      name: 'certmill_devices_ending',
      help: 'Certificates of devices, good or on hold and not replaced, that end within so many days of the count.',
      labelNames: ['issuer', 'days'],
      registers,
    });
    this.#countedAt = new Gauge({
      name: 'certmill_devices_counted_at_seconds',
      help: 'When the count of certmill_devices_ending began, in Unix seconds; of the processes of a fleet the latest holds.',
      registers,
    });
    // Without labels it would stand at 0 where nothing was counted.
    this.#countedAt.remove();
  }

  counted({ countedAtMs, byIssuer }: ToRenewCounts): void {
    this.#ending.reset();
    for (const [issuer, counts] of byIssuer) {
      for (const days of countedDays) {
        this.#ending.set({ issuer, days: String(days) }, counts[days]);
      }
    }
    this.#countedAt.set(countedAtMs / 1_000);
  }
}
