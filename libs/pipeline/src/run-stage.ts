import { isCertmillError, type Lane } from '@certmill/domain';
import { groups, lanes, topics } from '@certmill/events';
import type {
  CertificateStore,
  DeliveredRecord,
  EventLog,
  Stoppable,
  Subscription,
} from '@certmill/ports';
import { chunkRefOfHeaders } from './hop-seal.js';

/** The stages that consume; ingest only produces. */
export type ConsumingStage = 'validate' | 'sign' | 'publish';

const inputOf = {
  validate: topics.requestsReceived,
  sign: topics.requestsValidated,
  publish: topics.certificatesIssued,
} as const satisfies Record<ConsumingStage, Record<Lane, string>>;

/** What a stage tells while it runs; the platform makes metrics, logs and readiness of it. */
export interface StageObserver {
  handled(stage: ConsumingStage, lane: Lane, seconds: number): void;
  faulted(stage: ConsumingStage, record: DeliveredRecord, error: unknown): void;
  halted(stage: ConsumingStage, error: Error): void;
  /** A chunk has ended: rejection numbers, 0 where issued. */
  published(codes: readonly number[]): void;
}

/** Tells nobody. */
export const silentObserver: StageObserver = {
  handled: () => undefined,
  faulted: () => undefined,
  halted: () => undefined,
  published: () => undefined,
};

export interface StageOptions {
  readonly stage: ConsumingStage;
  readonly log: EventLog;
  readonly certificates: Pick<CertificateStore, 'markDeadLettered'>;
  /** Chunks in hand at once. */
  readonly concurrency: Readonly<Record<Lane, number>>;
  readonly handler: (record: DeliveredRecord) => Promise<void>;
  readonly observer: StageObserver;
}

/** Runs a stage on both lanes, each with a consumer of its own, until it is stopped. */
export async function runStage(options: StageOptions): Promise<Stoppable> {
  const { stage, log, concurrency, observer } = options;
  const subscriptions: Subscription[] = [];
  for (const lane of lanes) {
    subscriptions.push(
      await log.subscribe({
        topic: inputOf[stage][lane],
        group: groups[stage],
        concurrency: concurrency[lane],
        handler: (record) => handle(options, lane, record),
        onHalt: (error) => observer.halted(stage, error),
        onDeadLetter: (record, cause) => countDeadLetter(options, record, cause),
      }),
    );
  }
  return {
    async stop(timeoutMs) {
      await Promise.all(subscriptions.map((subscription) => subscription.stop(timeoutMs)));
    },
  };
}

async function handle(options: StageOptions, lane: Lane, record: DeliveredRecord): Promise<void> {
  const begun = performance.now();
  try {
    await options.handler(record);
    options.observer.handled(options.stage, lane, (performance.now() - begun) / 1000);
  } catch (error) {
    options.observer.faulted(options.stage, record, error);
    throw error;
  }
}

/**
 * A chunk that goes to a dead-letter topic is counted as such. A forged record is not: it names
 * somebody's chunk, which is still on its way.
 */
async function countDeadLetter(
  { certificates }: StageOptions,
  record: DeliveredRecord,
  cause: unknown,
): Promise<void> {
  const code = isCertmillError(cause) ? cause.code : 'FAULT_PROCESSING';
  const chunk = chunkRefOfHeaders(record.headers);
  if (chunk === undefined || code === 'FAULT_EVENT_FORGED') return;
  try {
    await certificates.markDeadLettered(chunk, code);
  } catch (error) {
    // Never registered here: there is nothing to count.
    if (!isCertmillError(error) || error.code !== 'FAULT_PROCESSING') throw error;
  }
}
