import { setPriority } from 'node:os';
import { CertmillError } from '@certmill/domain';
import { checkRole } from './check-role.js';
import type { FleetConfig } from './config/fleet-config.js';
import { openIngest } from './roles/ingest.js';
import { openPublish } from './roles/publish.js';
import { openSign } from './roles/sign.js';
import { openStatus } from './roles/status.js';
import { openValidate } from './roles/validate.js';
import {
  openContext,
  type OpenedRole,
  type Role,
  type ServiceContext,
  type ServiceOverrides,
} from './service-context.js';

/** A service of the fleet, running. */
export interface Service {
  /** Of the HTTP face; ingest and status have one. */
  readonly url?: string;
  /** Of probes and metrics. */
  readonly operationsUrl: string;
  /** Rejects when the process has to be started again by its supervisor. */
  readonly failed: Promise<never>;
  /** Leaves its groups, finishes or lets go of what is in hand, at most `timeoutMs` per part. */
  stop(timeoutMs?: number): Promise<void>;
}

export interface RunOptions {
  readonly overrides?: ServiceOverrides;
  /** Where the configuration came from: what is wrong in it is told with its line. */
  readonly configFile?: string;
  /** Aborts while the service still waits for what it needs. */
  readonly signal?: AbortSignal;
  /** Told as soon as probes can be asked, before anything else is there. */
  readonly onOperations?: (url: string) => void;
}

const openers: Readonly<Record<Role, (context: ServiceContext) => Promise<OpenedRole>>> = {
  ingest: openIngest,
  validate: openValidate,
  sign: openSign,
  publish: openPublish,
  status: openStatus,
};

/** Beside interactive processes on the same machine, bulk ones come second. */
const bulkPriority = 10;

/**
 * Starts one role; resolves once it takes work, however long what it needs takes to come. Faults:
 * CONFIG_INVALID, FAULT_KEY_MISMATCH, FAULT_STOPPING where the signal came first.
 */
export async function runService(
  role: Role,
  config: FleetConfig,
  { overrides = {}, signal, onOperations, configFile }: RunOptions = {},
): Promise<Service> {
  await checkRole(role, config, configFile);
  if (!config.lanes.includes('interactive')) setPriority(bulkPriority);
  const stopping = new AbortController();
  const abort = (): void => stopping.abort();
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted === true) abort();
  const { context, started, failed } = await openContext(role, config, stopping.signal, overrides);
  const { logger, metrics, parts, readiness } = context;
  const { startOperationsHttp } = await import('@certmill/platform/http');
  const operations = await startOperationsHttp({
    ...config.operations,
    logger,
    metrics,
    readiness,
  });
  onOperations?.(operations.url);
  let stopped: Promise<void> | undefined;
  const stop = async (timeoutMs: number): Promise<void> => {
    abort();
    signal?.removeEventListener('abort', abort);
    for (const part of [...parts].reverse()) await part.stop(timeoutMs);
    await operations.stop();
    logger.info('stopped');
  };
  try {
    const opened = await openers[role](context);
    if (stopping.signal.aborted)
      throw new CertmillError('FAULT_STOPPING', 'stopped while starting');
    started();
    logger.info({ ...opened, operations: operations.url, lanes: config.lanes }, 'ready');
    return {
      ...opened,
      operationsUrl: operations.url,
      failed,
      stop: (timeoutMs = config.stopTimeoutMs) => (stopped ??= stop(timeoutMs)),
    };
  } catch (error) {
    await stop(1_000);
    throw error;
  }
}
