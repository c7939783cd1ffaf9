import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { isCertmillError, type FaultCode } from '@certmill/domain';
import type { StageObserver } from '@certmill/pipeline';
import {
  createLogger,
  Metrics,
  noTraces,
  observeStages,
  openTracing,
  type IssuanceStore,
  type Readiness,
  type Traces,
} from '@certmill/platform';
import type { Clock, EventLog, Stoppable } from '@certmill/ports';
import type { FleetConfig } from './config/fleet-config.js';
import { untilItWorks } from './until-it-works.js';

export const roles = ['ingest', 'validate', 'sign', 'publish', 'status'] as const;
export type Role = (typeof roles)[number];

type Logger = ReturnType<typeof createLogger>;

/** What a role offers once it is open. */
export interface OpenedRole {
  /** Of the HTTP face; ingest and status have one. */
  readonly url?: string;
}

/** What tests put in the place of the real thing; production passes nothing. */
export interface ServiceOverrides {
  readonly clock?: Clock;
  /** File URL of a `SlotModule` that watches every signature. */
  readonly slotModule?: string;
  /** Put around the store and the log, e.g. to fail or to die between two calls. */
  readonly aroundStore?: (store: IssuanceStore) => IssuanceStore;
  readonly aroundLog?: (log: EventLog) => EventLog;
}

/** What every part of a service is given: its configuration and whom it tells. */
export interface ServiceContext {
  readonly role: Role;
  /** Unique per process: client ids, groups of its own. */
  readonly instance: string;
  readonly config: FleetConfig;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly observer: StageObserver;
  readonly traces: Traces;
  readonly clock: Clock;
  readonly readiness: Readiness;
  readonly overrides: ServiceOverrides;
  /** Aborts when the service is to stop. */
  readonly stopping: AbortSignal;
  /** What has been opened, stopped in the opposite order. */
  readonly parts: Stoppable[];
  /**
   * Tries until it works, with growing pauses: services start in any order. Says what it waits for, and
   * readiness too. Faults that waiting does not cure, and FAULT_STOPPING, end it.
   */
  waitFor<T>(what: string, attempt: () => Promise<T>): Promise<T>;
  /** What work beside the main path is without: metrics tell of it, readiness does not. */
  without(what: string, isAway: boolean): void;
  /** A part halted for good: readiness goes red, the process goes on to be looked at. */
  halt(part: string, code: FaultCode): void;
  /** The process cannot go on: it is to stop and to be started again by its supervisor. */
  fail(error: Error): void;
}

export interface OpenedContext {
  readonly context: ServiceContext;
  /** Everything is open: readiness goes green. */
  readonly started: () => void;
  /** Rejects when `fail` is called. */
  readonly failed: Promise<never>;
}

/** What a process needs, as `waitFor` and `without` are told of it. */
const needsOf = (role: Role): readonly string[] => {
  if (role === 'status') return ['mongodb'];
  return role === 'publish' ? ['kafka', 'mongodb', 'redis'] : ['kafka', 'mongodb'];
};

export async function openContext(
  role: Role,
  config: FleetConfig,
  stopping: AbortSignal,
  overrides: ServiceOverrides,
): Promise<OpenedContext> {
  const logger = createLogger(config.logLevel, `certmill-${role}`);
  const metrics = new Metrics();
  const halted = new Map<string, FaultCode>();
  const waitingFor = new Set<string>(['start']);
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  failed.catch(() => undefined);
  const clock = overrides.clock ?? { nowMs: () => Date.now() };
  const service = `certmill-${role}`;
  const tracing = config.tracing && (await openTracing({ ...config.tracing, service, logger }));
  const observed = observeStages(logger, metrics, clock);
  const readiness: Readiness = {
    halted: () => [...halted].map(([stage, code]) => ({ stage, code })),
    waitingFor: () => [...waitingFor],
  };
  const away = new Set<string>();
  metrics.readiness(
    { ...readiness, waitingFor: () => [...waitingFor, ...away] },
    { parts: [role, 'store'], needs: needsOf(role) },
  );
  if (role !== 'ingest' && role !== 'status') metrics.stages.begin([role]);
  const context: ServiceContext = {
    role,
    instance: `${hostname().slice(0, 40)}-${randomBytes(4).toString('hex')}`,
    config,
    logger,
    metrics,
    observer: {
      ...observed,
      ...(tracing === undefined ? {} : { begun: tracing.begun }),
      halted(stage, error) {
        halted.set(stage, isCertmillError(error) ? error.code : 'FAULT_PROCESSING');
        observed.halted(stage, error);
      },
    },
    traces: tracing ?? noTraces,
    clock,
    readiness,
    overrides,
    stopping,
    // The first one, so that it is stopped last: the others' last spans go with it.
    parts: tracing === undefined ? [] : [tracing],
    waitFor: async (what, attempt) => {
      waitingFor.add(what);
      try {
        return await untilItWorks(what, attempt, logger, stopping);
      } finally {
        waitingFor.delete(what);
      }
    },
    without(what, isAway) {
      if (isAway) away.add(what);
      else away.delete(what);
    },
    halt: (part, code) => halted.set(part, code),
    fail: (error) => {
      logger.fatal({ err: error }, 'the service cannot go on');
      fail(error);
    },
  };
  return {
    context,
    started() {
      waitingFor.delete('start');
    },
    failed,
  };
}
