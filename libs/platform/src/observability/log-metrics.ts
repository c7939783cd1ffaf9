import type { EventLog, EventRecord } from '@certmill/ports';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { cached, readOf } from './scrape-readings.js';
import { timed } from './timed.js';

/** Reading a lag asks brokers: several scrapers share an answer. */
const lagTtlMs = 5_000;

interface WatchedLag {
  readonly topic: string;
  readonly group: string;
  readonly read: () => Promise<number>;
}

/** The event log as a process meets it. */
export class LogMetrics {
  readonly #appends: Histogram<'topic'>;
  readonly #bytes: Counter<'topic'>;
  readonly #lags: WatchedLag[] = [];

  constructor(registry: Registry) {
    const registers = [registry];
    this.#appends = new Histogram({
      name: 'certmill_log_append_duration_seconds',
      help: 'From the append of a record to its being safe; through a relay in memory, handled.',
      labelNames: ['topic'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    });
    this.#bytes = new Counter({
      name: 'certmill_log_appended_bytes_total',
      help: 'Octets of the values of records that were appended.',
      labelNames: ['topic'],
      registers,
    });
    const lags = this.#lags;
    new Gauge({
      name: 'certmill_log_lag_chunks',
      help: 'Records appended and not yet committed by the group; absent where the log cannot say.',
      labelNames: ['topic', 'group'],
      registers,
      async collect() {
        const read = await Promise.all(lags.map((lag) => readOf(lag.read)));
        this.reset();
        lags.forEach(({ topic, group }, i) => {
          const value = read[i];
          if (value !== undefined) this.set({ topic, group }, value);
        });
      },
    });
  }

  /** The group's lag in a topic is read when scraped. */
  watchLag(log: Pick<EventLog, 'lag'>, topic: string, group: string): void {
    this.#lags.push({ topic, group, read: cached(() => log.lag(topic, group), lagTtlMs) });
  }

  /** The same log, its appends timed. */
  measured<L extends EventLog>(log: L): L {
    const appends = this.#appends;
    const bytes = this.#bytes;
    return timed(log, {
      append: {
        ended: (seconds, [topic, record]) => {
          appends.observe({ topic: topic as string }, seconds);
          bytes.inc({ topic: topic as string }, (record as EventRecord).value.length);
        },
      },
    });
  }
}
