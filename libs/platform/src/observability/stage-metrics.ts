import type { Lane, RejectionCode } from '@certmill/domain';
import type { ConsumingStage } from '@certmill/pipeline';
import { Counter, Histogram, type Registry } from 'prom-client';

const workSeconds = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const waitSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];

/** What the stages do with requests, chunks and records. */
export class StageMetrics {
  readonly #requests: Counter<'code'>;
  readonly #received: Counter<'lane'>;
  readonly #chunks: Histogram<'stage' | 'lane'>;
  readonly #waits: Histogram<'stage' | 'lane'>;
  readonly #ages: Histogram<'lane'>;
  readonly #faults: Counter<'stage' | 'code'>;
  readonly #deadLetters: Counter<'stage' | 'code'>;
  readonly #forged: Counter<'stage'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#requests = new Counter({
      name: 'certmill_publish_requests_total',
      help: 'Requests that ended, by their rejection code; code "none" was issued.',
      labelNames: ['code'],
      registers,
    });
    this.#received = new Counter({
      name: 'certmill_ingest_requests_total',
      help: 'Requests that became durable in the log.',
      labelNames: ['lane'],
      registers,
    });
    this.#chunks = new Histogram({
      name: 'certmill_chunk_duration_seconds',
      help: 'From taking a chunk to its effect being durable, all later stages of this process included.',
      labelNames: ['stage', 'lane'],
      buckets: workSeconds,
      registers,
    });
    this.#waits = new Histogram({
      name: 'certmill_chunk_wait_seconds',
      help: 'Age of a record when the stage that handled it took it: the queue of that hop.',
      labelNames: ['stage', 'lane'],
      buckets: waitSeconds,
      registers,
    });
    this.#ages = new Histogram({
      name: 'certmill_publish_chunk_age_seconds',
      help: 'From the receipt of a chunk to its terminal record being durable.',
      labelNames: ['lane'],
      buckets: waitSeconds,
      registers,
    });
    this.#faults = new Counter({
      name: 'certmill_faults_total',
      help: 'Chunks that a stage could not finish, by fault code.',
      labelNames: ['stage', 'code'],
      registers,
    });
    this.#deadLetters = new Counter({
      name: 'certmill_dead_letters_total',
      help: 'Records moved to a dead-letter topic, by the stage and the code of the fault.',
      labelNames: ['stage', 'code'],
      registers,
    });
    this.#forged = new Counter({
      name: 'certmill_forged_records_total',
      help: 'Records refused for their seal: somebody else writes into topics.',
      labelNames: ['stage'],
      registers,
    });
  }

  /** Series that an alarm looks at are there before the first event: a rate needs a zero to rise from. */
  begin(stages: readonly ConsumingStage[]): void {
    for (const stage of stages) this.#forged.inc({ stage }, 0);
  }

  requests(code: RejectionCode | 'none', count: number): void {
    this.#requests.inc({ code }, count);
  }

  received(lane: Lane, count: number): void {
    this.#received.inc({ lane }, count);
  }

  chunk(stage: ConsumingStage, lane: Lane, seconds: number): void {
    this.#chunks.observe({ stage, lane }, seconds);
  }

  wait(stage: ConsumingStage, lane: Lane, seconds: number): void {
    this.#waits.observe({ stage, lane }, seconds);
  }

  age(lane: Lane, seconds: number): void {
    this.#ages.observe({ lane }, seconds);
  }

  fault(stage: ConsumingStage, code: string): void {
    this.#faults.inc({ stage, code });
  }

  deadLetter(stage: ConsumingStage, code: string): void {
    this.#deadLetters.inc({ stage, code });
  }

  forged(stage: ConsumingStage): void {
    this.#forged.inc({ stage });
  }
}
