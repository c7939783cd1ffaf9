import type { Lane } from '@certmill/domain';
import { Gauge, type Registry } from 'prom-client';

/** A worker pool's lane. */
export interface LaneLoad {
  readonly lane: Lane;
  /** Chunks that wait or run. */
  readonly outstanding: number;
  /** How many may: threads and queue. */
  readonly capacity: number;
}

export function registerPool(
  registry: Registry,
  pool: string,
  read: () => readonly LaneLoad[],
): void {
  const gauge = (name: string, help: string, valueOf: (load: LaneLoad) => number): void => {
    new Gauge({
      name,
      help,
      labelNames: ['pool', 'lane'],
      registers: [registry],
      collect() {
        for (const load of read()) this.set({ pool, lane: load.lane }, valueOf(load));
      },
    });
  };
  gauge(
    'certmill_pool_outstanding_chunks',
    'Chunks that wait or run in a worker pool.',
    ({ outstanding }) => outstanding,
  );
  gauge(
    'certmill_pool_saturation_ratio',
    'Outstanding chunks over threads and queue of a worker pool, 0-1.',
    ({ outstanding, capacity }) => outstanding / capacity,
  );
}
