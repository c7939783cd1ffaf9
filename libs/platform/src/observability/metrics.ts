import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Readiness } from './readiness.js';
import { CrlMetrics } from './crl-metrics.js';
import { DeviceMetrics } from './device-metrics.js';
import { JournalMetrics } from './journal-metrics.js';
import { LogMetrics } from './log-metrics.js';
import { registerPool, type LaneLoad } from './pool-metrics.js';
import { registerProcessIo } from './process-io-metrics.js';
import { registerReadiness, type KnownParts } from './readiness-metrics.js';
import { readOf } from './scrape-readings.js';
import { registerSlots, type SlotReading } from './slot-metrics.js';
import { StageMetrics } from './stage-metrics.js';
import { RevocationMetrics } from './revocation-metrics.js';
import { StatusMetrics } from './status-metrics.js';
import { StoreMetrics } from './store-metrics.js';
import { TrustMetrics } from './trust-metrics.js';

/** The service's Prometheus metrics, in groups. Labels come from closed sets only. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #http: Histogram<'method' | 'status'>;
  readonly #refusedConnections: Counter;
  readonly stages = new StageMetrics(this.#registry);
  readonly log = new LogMetrics(this.#registry);
  readonly store = new StoreMetrics(this.#registry);
  readonly journal = new JournalMetrics(this.#registry);
  readonly status = new StatusMetrics(this.#registry);
  readonly revocations = new RevocationMetrics(this.#registry);
  readonly crls = new CrlMetrics(this.#registry);
  readonly trust = new TrustMetrics(this.#registry);
  readonly devices = new DeviceMetrics(this.#registry);

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    registerProcessIo(this.#registry);
    this.#http = new Histogram({
      name: 'certmill_http_duration_seconds',
      help: 'Duration of HTTP calls by method and status class.',
      labelNames: ['method', 'status'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120],
      registers,
    });
    this.#refusedConnections = new Counter({
      name: 'certmill_http_connections_refused_total',
      help: 'Connections that were closed at once because there were too many.',
      registers,
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  http(method: string, status: number, seconds: number): void {
    this.#http.observe({ method, status: `${String(Math.floor(status / 100))}xx` }, seconds);
  }

  refusedConnection(): void {
    this.#refusedConnections.inc();
  }

  /**
   * Signing slots, read when scraped.
   * @param latencyBoundsSeconds of the buckets that the readings count signatures in.
   */
  slots(
    read: () => readonly SlotReading[],
    latencyBoundsSeconds: readonly number[],
    readIssuersOut: () => readonly string[],
  ): void {
    registerSlots(this.#registry, read, latencyBoundsSeconds, readIssuersOut);
  }

  /** The lanes of a worker pool, read when scraped. Called once per process. */
  pool(name: 'examination', read: () => readonly LaneLoad[]): void {
    registerPool(this.#registry, name, read);
  }

  /** What halted and what is waited for, read when scraped. */
  readiness(readiness: Readiness, known: KnownParts): void {
    registerReadiness(this.#registry, readiness, known);
  }

  /** A value that is read when scraped, e.g. a queue's depth; absent where it cannot be read. */
  gauge(name: string, help: string, read: () => number | Promise<number>): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      async collect() {
        const value = await readOf(read);
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  }
}
