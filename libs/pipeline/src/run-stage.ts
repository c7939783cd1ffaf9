import { isCertmillError, type Lane } from '@certmill/domain';
import { groups, lanes, topics } from '@certmill/events';
import type {
  CertificateStore,
  DeliveredRecord,
  EventLog,
  Stoppable,
  Subscription,
  TerminalChunk,
} from '@certmill/ports';
import { chunkRefOfHeaders } from './hop-seal.js';

/** The stages that consume; ingest only produces. */
export type ConsumingStage = 'validate' | 'sign' | 'publish';

const inputOf = {
  validate: topics.requestsReceived,
  sign: topics.requestsValidated,
  publish: topics.certificatesIssued,
} as const satisfies Record<ConsumingStage, Record<Lane, string>>;

/** The work of a stage on one chunk, as a trace shows it. */
export interface StageSpan {
  /** W3C Trace Context, for the record that the stage makes. */
  readonly traceparent: string;
  end(error?: unknown): void;
}

/** Of a chunk that has ended, what its age is told by. */
export type EndedChunk = Pick<TerminalChunk, 'lane' | 'receivedAtMs'>;

/** What a stage tells while it runs; the platform makes metrics, logs, traces and readiness of it. */
export interface StageObserver {
  /** A chunk is taken. Absent where nothing is traced: the record's own context is handed on. */
  readonly begun?: (stage: ConsumingStage, record: DeliveredRecord) => StageSpan | undefined;
  /** Requests became durable in the log. */
  received(lane: Lane, requests: number): void;
  handled(stage: ConsumingStage, lane: Lane, seconds: number, record: DeliveredRecord): void;
  faulted(stage: ConsumingStage, record: DeliveredRecord, error: unknown): void;
  /** A record is durable as a dead letter, and counted as one; `stage` is where the fault arose. */
  deadLettered(stage: ConsumingStage, record: DeliveredRecord, cause: unknown): void;
  halted(stage: ConsumingStage | 'store', error: Error): void;
  /** A chunk has ended: rejection numbers, 0 where issued. */
  published(codes: readonly number[], chunk: EndedChunk): void;
}

/** Tells nobody. */
export const silentObserver: StageObserver = {
  received: () => undefined,
  handled: () => undefined,
  faulted: () => undefined,
  deadLettered: () => undefined,
  halted: () => undefined,
  published: () => undefined,
};

export interface StageOptions {
  readonly stage: ConsumingStage;
  readonly log: EventLog;
  readonly certificates: Pick<CertificateStore, 'markDeadLettered'>;
  /** Lanes that this process works for; both where absent. */
  readonly lanes?: readonly Lane[];
  /** Chunks in hand at once. */
  readonly concurrency: Readonly<Record<Lane, number>>;
  /** `traceparent` is for the record that the handler makes of this one. */
  readonly handler: (record: DeliveredRecord, traceparent: string | undefined) => Promise<void>;
  readonly observer: StageObserver;
}

/** Where a fault arose: a relay hands it on to the stage before, which makes the dead letter. */
const failedIn = new WeakMap<object, ConsumingStage>();

/** Runs a stage on both lanes, each with a consumer of its own, until it is stopped. */
export async function runStage(options: StageOptions): Promise<Stoppable> {
  const { stage, log, concurrency, observer } = options;
  const subscriptions: Subscription[] = [];
  const stop = async (timeoutMs: number): Promise<void> => {
    await Promise.all(subscriptions.map((subscription) => subscription.stop(timeoutMs)));
  };
  for (const lane of options.lanes ?? lanes) {
    const subscribing = log.subscribe({
      topic: inputOf[stage][lane],
      group: groups[stage],
      concurrency: concurrency[lane],
      handler: (record) => handle(options, lane, record),
      onHalt: (error) => observer.halted(stage, error),
      onDeadLetter: async (record, cause, place) => {
        const failed = (cause instanceof Object ? failedIn.get(cause) : undefined) ?? stage;
        await countDeadLetter(options, record, { cause, stage: failed, place });
        observer.deadLettered(failed, record, cause);
      },
    });
    try {
      subscriptions.push(await subscribing);
    } catch (error) {
      // Whoever tries again finds nothing left of this try.
      await stop(0);
      throw error;
    }
  }
  return { stop };
}

async function handle(options: StageOptions, lane: Lane, record: DeliveredRecord): Promise<void> {
  const begun = performance.now();
  const span = options.observer.begun?.(options.stage, record);
  try {
    await options.handler(record, span?.traceparent ?? record.headers['traceparent']);
    span?.end();
    options.observer.handled(options.stage, lane, (performance.now() - begun) / 1000, record);
  } catch (error) {
    span?.end(error);
    options.observer.faulted(options.stage, record, error);
    if (error instanceof Object && !failedIn.has(error)) failedIn.set(error, options.stage);
    throw error;
  }
}

/** What is no fault of ours may say more than is safe to show. */
const unknownCause = { code: 'FAULT_PROCESSING', message: '' } as const;

/**
 * A chunk that went to a dead-letter topic is counted as such. A forged record is not: it names
 * somebody's chunk, which is still on its way.
 */
async function countDeadLetter(
  { certificates }: StageOptions,
  record: DeliveredRecord,
  {
    cause,
    stage,
    place,
  }: { readonly cause: unknown; readonly stage: ConsumingStage; readonly place: string },
): Promise<void> {
  const { code, message: detail } = isCertmillError(cause) ? cause : unknownCause;
  const chunk = chunkRefOfHeaders(record.headers);
  if (chunk === undefined || code === 'FAULT_EVENT_FORGED') return;
  try {
    await certificates.markDeadLettered(chunk, {
      code,
      detail,
      stage,
      topic: record.topic,
      place,
    });
  } catch (error) {
    // Never registered here: there is nothing to count.
    if (!isCertmillError(error) || error.code !== 'FAULT_PROCESSING') throw error;
  }
}
