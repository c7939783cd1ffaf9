import { isCertmillError, type ChunkRef, type Lane } from '@certmill/domain';
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
    const chunk = chunkRefOfHeaders(record.headers);
    if (isPoison(error) && chunk !== undefined) await countDeadLetter(options, chunk, error);
    throw error;
  }
}

/**
 * A chunk that goes to a dead-letter topic is counted as such. A forged record is not: it names
 * somebody's chunk, which is still on its way.
 */
function isPoison(error: unknown): error is Error & { readonly code: string } {
  return (
    isCertmillError(error) &&
    error.disposition === 'dead-letter' &&
    error.code !== 'FAULT_EVENT_FORGED'
  );
}

async function countDeadLetter(
  { certificates }: StageOptions,
  chunk: ChunkRef,
  cause: { readonly code: string },
): Promise<void> {
  await certificates.markDeadLettered(chunk, cause.code);
}
