import type { Server as ControlServer } from 'node:net';
import { z } from 'zod';
import { groups, topics } from '@certmill/events';
import { countByTurns, processMassJobs, recordAudit } from '@certmill/pipeline';
import type { Stoppable } from '@certmill/ports';
import {
  createLogger,
  crlPolicyOf,
  httpConfigSchema,
  logIssuerFaults,
  Metrics,
  observeCounts,
  observeMass,
  observeStages,
  observeStatus,
  openFirstTenant,
  openTracing,
  readConfig,
  runObservedCrlGeneration,
  startStatusHttp,
  tracingSchema,
  warnWhereNoneIssues,
  type FirstCredential,
  type HttpApplication,
  type StatusHttp,
  type Tracing,
} from '@certmill/platform';
import { latencyBoundsSeconds } from '@certmill/signing';
import { backUpDataFolder } from './back-up.js';
import { standaloneSchema } from './config.js';
import { openControlSocket } from './control-socket.js';
import { takeDataFolder } from './data-folder.js';
import { openIssuance, type Issuance, type IssuanceOverrides } from './open-issuance.js';
import { renewCaCrls } from './renew-ca-crls.js';

/** The configuration file of `certmill serve --role all`. */
export const serveSchema = standaloneSchema.extend({
  http: httpConfigSchema.prefault({}),
  /** None are made where absent. */
  tracing: tracingSchema.optional(),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  /** How long a stop waits for what is in hand. */
  stopTimeoutMs: z.int().min(0).default(15_000),
});

export type ServeConfig = z.infer<typeof serveSchema>;

/** CONFIG_INVALID names each line that is wrong. */
export function readServeConfig(file: string | undefined): ServeConfig {
  return readConfig(serveSchema, file);
}

export interface Server {
  readonly url: string;
  readonly http: HttpApplication;
  /** Where it is configured. */
  readonly status?: StatusHttp;
  readonly issuance: Issuance;
  /**
   * Makes the first credential where the data folder has none; undefined where it has. It is stored
   * hashed and told only here, so the caller MUST show it.
   */
  openFirstCredential(): Promise<FirstCredential | undefined>;
  stop(): Promise<void>;
}

/** Starts all roles in this process; resolves once it takes calls. */
export async function serve(
  config: ServeConfig,
  overrides: IssuanceOverrides = {},
): Promise<Server> {
  const logger = createLogger(config.logLevel);
  const metrics = new Metrics();
  const folder = takeDataFolder(config.data);
  let issuance: Issuance | undefined;
  let http: HttpApplication | undefined;
  let status: StatusHttp | undefined;
  let control: ControlServer | undefined;
  let tracing: Tracing | undefined;
  let crls: Stoppable | undefined;
  let caCrls: Stoppable | undefined;
  let mass: Stoppable | undefined;
  let counts: Stoppable | undefined;
  try {
    if (config.tracing !== undefined) {
      tracing = await openTracing({ ...config.tracing, service: 'certmill', logger });
    }
    const observer = {
      ...observeStages(logger, metrics, overrides.clock),
      ...(tracing === undefined ? {} : { begun: tracing.begun }),
    };
    const opening = openIssuance(folder, config, observer, {
      ...measuredOverrides(overrides, metrics),
      statusObserver: observeStatus(logger, metrics),
      onIssuerFault: logIssuerFaults(logger),
      slotObserver: {
        // That it opens at the start and closes at the end is no news.
        onSlotChange(health) {
          if (health.failures === 0 && health.reason === undefined) return;
          logger.warn(health, 'a slot changed');
        },
        onKeyChange: (health) => logger.warn(health, 'a key changed'),
      },
    });
    // Loaded while the threads start: it takes as long as they do.
    const loading = import('@certmill/platform/http');
    loading.catch(() => undefined);
    issuance = await opening;
    gaugeParts(metrics, issuance);
    crls = await generateCrls(config, issuance, logger, metrics);
    caCrls = renewCaCrlsOf(folder.directory, issuance, logger);
    mass = await runMassOperations(issuance, logger);
    counts = await countDevices(issuance, logger, metrics);
    for (const kept of issuance.keptProfiles) {
      logger.warn(
        kept,
        'tenants have a profile of their own by the name and version of a built-in one',
      );
    }
    warnWhereNoneIssues(logger, issuance.whyNoneIssues());
    const running = issuance;
    const { startHttp } = await loading;
    const listening = await startHttp({
      services: running.services,
      config: config.http,
      logger,
      metrics,
      ...(tracing === undefined ? {} : { traces: tracing }),
    });
    http = listening;
    if (config.status !== undefined) {
      status = await startStatusHttp({
        config: config.status,
        echoesNonces: config.ocsp.nonce === 'echo',
        answers: running.ocsp.answers,
        reply: (...call) => running.ocsp.reply(...call),
        onLost: (error) => logger.fatal({ err: error }, 'the status face cannot go on'),
      });
      running.ocsp.onChange(status.forget);
      metrics.status.threads(status.answersOfThreads);
      logger.info({ url: status.url }, 'telling the status of certificates');
    }
    const telling = status;
    control = await openControlSocket(folder.directory, async (request) => {
      if (request.command === 'audit') {
        await recordAudit(running.services, request.entry);
        return;
      }
      const { directory } = request;
      await backUpDataFolder(folder.directory, running, directory);
      logger.info({ directory }, 'backed up');
    });
    logger.info({ url: listening.url, data: config.data }, 'listening');
    return {
      url: listening.url,
      http: listening,
      issuance: running,
      ...(telling === undefined ? {} : { status: telling }),
      openFirstCredential: () => openFirstTenant(running.store, running.services.clock),
      async stop() {
        control?.close();
        await telling?.stop(config.stopTimeoutMs);
        await listening.stop(config.stopTimeoutMs);
        await counts?.stop(config.stopTimeoutMs);
        await mass?.stop(config.stopTimeoutMs);
        await crls?.stop(config.stopTimeoutMs);
        await caCrls?.stop(config.stopTimeoutMs);
        await running.stop(config.stopTimeoutMs);
        await tracing?.stop(config.stopTimeoutMs);
        folder.release();
        logger.info('stopped');
      },
    };
  } catch (error) {
    control?.close();
    await status?.stop(1_000);
    await http?.stop(1_000);
    await counts?.stop(1_000);
    await mass?.stop(1_000);
    await crls?.stop(1_000);
    await caCrls?.stop(1_000);
    await issuance?.stop(1_000);
    await tracing?.stop(1_000);
    folder.release();
    throw error;
  }
}

/** The store and the log timed from outside, whatever a test puts around them. */
function measuredOverrides(overrides: IssuanceOverrides, metrics: Metrics): IssuanceOverrides {
  return {
    ...overrides,
    aroundStore: (store) => metrics.store.measured(overrides.aroundStore?.(store) ?? store),
    aroundLog: (log) => metrics.log.measured(overrides.aroundLog?.(log) ?? log),
  };
}

/** Works off the mass operations of the folder, those that a stopped or killed server left too. */
function runMassOperations(
  { store, services }: Issuance,
  logger: ReturnType<typeof createLogger>,
): Promise<Stoppable> {
  return processMassJobs(services.mass, store, observeMass(logger));
}

/** Keeps the metrics of what devices are to renew. */
function countDevices(
  { store, services }: Issuance,
  logger: ReturnType<typeof createLogger>,
  metrics: Metrics,
): Promise<Stoppable> {
  return countByTurns(services.toRenew, store, observeCounts(logger, metrics));
}

/** Makes the CRLs of all issuers that have status addresses, while the server runs. */
async function generateCrls(
  config: ServeConfig,
  issuance: Issuance,
  logger: ReturnType<typeof createLogger>,
  metrics: Metrics,
): Promise<Stoppable> {
  const { store, signer, services } = issuance;
  const { clock } = services;
  return runObservedCrlGeneration(
    {
      ports: { revocations: store, crls: store, signer, clock },
      jobs: store,
      policy: crlPolicyOf(config.crls),
      issuers: () => issuance.issuers,
    },
    logger,
    metrics,
  );
}

/** Keeps the CRLs of CA certificates in force whose key lies in the folder. */
function renewCaCrlsOf(
  directory: string,
  { store, services, readPassphrase }: Issuance,
  logger: ReturnType<typeof createLogger>,
): Stoppable {
  return renewCaCrls({
    directory,
    readPassphrase,
    audit: store,
    clock: services.clock,
    onMade: (made) => logger.info(made, 'made the CRL of a CA over its CA certificates'),
    onFault: (error, ca) => logger.error({ err: error, ca }, 'the CRL of a CA was not made'),
  });
}

function gaugeParts(
  metrics: Metrics,
  { log, examiner, signer, services, ocsp, delegates, firstIssuerEndMs, firstCaCrlEndMs }: Issuance,
): void {
  metrics.stages.begin(['validate', 'sign', 'publish']);
  metrics.pool('examination', () => examiner.load());
  metrics.slots(
    () => signer.health(),
    latencyBoundsSeconds,
    () => signer.issuersOut(),
  );
  metrics.trust.ends('issuer', firstIssuerEndMs);
  metrics.trust.delegates(delegates);
  metrics.trust.ends('ca_crl', firstCaCrlEndMs);
  metrics.trust.ends('responder', () => ocsp.firstOverdueEndMs());
  metrics.revocations.waiting(
    'ocsp',
    () => ocsp.waiting(),
    () => services.clock.nowMs(),
  );
  metrics.readiness(services.readiness, {
    parts: ['validate', 'sign', 'publish', 'store'],
    needs: [],
  });
  for (const topic of Object.values(topics.requestsReceived)) {
    metrics.log.watchLag(log, topic, groups.validate);
  }
  const lagOf = (topic: string) => () => log.lag(topic, groups.validate);
  const { bulk, interactive } = topics.requestsReceived;
  metrics.gauge('certmill_log_bulk_lag_chunks', 'Bulk chunks that have not ended.', lagOf(bulk));
  metrics.gauge(
    'certmill_log_interactive_lag_chunks',
    'Interactive chunks that have not ended.',
    lagOf(interactive),
  );
  metrics.gauge('certmill_sign_slots_ready', 'Signing slots that take work.', () => {
    return signer.health().filter(({ state }) => state === 'ready').length;
  });
  metrics.gauge('certmill_sign_slots_outstanding', 'Chunks that signing slots hold.', () =>
    signer.health().reduce((total, { outstanding }) => total + outstanding, 0),
  );
}
