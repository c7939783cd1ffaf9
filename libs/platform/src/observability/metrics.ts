import type { RejectionCode } from '@certmill/domain';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export type Stage = 'ingest' | 'validate' | 'sign' | 'publish';

const chunkSeconds = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** The service's Prometheus metrics. Labels come from closed sets only. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Counter<'code'>;
  readonly #chunks: Histogram<'stage'>;
  readonly #faults: Counter<'stage' | 'code'>;
  readonly #http: Histogram<'method' | 'status'>;
  readonly #refusedConnections: Counter;

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#requests = new Counter({
      name: 'certmill_publish_requests_total',
      help: 'Requests that ended, by their rejection code; code "none" was issued.',
      labelNames: ['code'],
      registers,
    });
    this.#chunks = new Histogram({
      name: 'certmill_chunk_duration_seconds',
      help: 'From taking a chunk to its effect being durable, all later stages of this process included.',
      labelNames: ['stage'],
      buckets: chunkSeconds,
      registers,
    });
    this.#faults = new Counter({
      name: 'certmill_faults_total',
      help: 'Chunks that a stage could not finish, by fault code.',
      labelNames: ['stage', 'code'],
      registers,
    });
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

  requests(code: RejectionCode | 'none', count: number): void {
    this.#requests.inc({ code }, count);
  }

  chunk(stage: Stage, seconds: number): void {
    this.#chunks.observe({ stage }, seconds);
  }

  fault(stage: Stage, code: string): void {
    this.#faults.inc({ stage, code });
  }

  http(method: string, status: number, seconds: number): void {
    this.#http.observe({ method, status: `${String(Math.floor(status / 100))}xx` }, seconds);
  }

  refusedConnection(): void {
    this.#refusedConnections.inc();
  }

  /** A value that is read when scraped, e.g. a queue's depth. */
  gauge(name: string, help: string, read: () => number | Promise<number>): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      async collect() {
        this.set(await read());
      },
    });
  }
}
