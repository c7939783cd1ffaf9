import { readFileSync } from 'node:fs';
import type { Server as ControlServer } from 'node:net';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { CertmillError } from '@certmill/domain';
import { groups, topics } from '@certmill/events';
import {
  createLogger,
  httpConfigSchema,
  Metrics,
  newApiKey,
  type HttpApplication,
} from '@certmill/platform';
import { backUpDataFolder } from './back-up.js';
import { standaloneSchema } from './config.js';
import { openControlSocket } from './control-socket.js';
import { takeDataFolder } from './data-folder.js';
import {
  openIssuance,
  operatorTenant,
  type Issuance,
  type IssuanceOverrides,
} from './open-issuance.js';
import { observeStages } from './observe-stages.js';

/** The configuration file of `certmill serve --role all`. */
export const serveSchema = standaloneSchema.extend({
  http: httpConfigSchema.prefault({}),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  /** How long a stop waits for what is in hand. */
  stopTimeoutMs: z.int().min(0).default(15_000),
});

export type ServeConfig = z.infer<typeof serveSchema>;

/** Reads a YAML or JSON file; CONFIG_INVALID names each line that is wrong. */
export function readServeConfig(file: string | undefined): ServeConfig {
  if (file === undefined) return serveSchema.parse({});
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CertmillError('CONFIG_INVALID', `cannot read ${file}`, { cause });
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [broken] = document.errors;
  if (broken !== undefined) throw new CertmillError('CONFIG_INVALID', `${file}: ${broken.message}`);
  const parsed = serveSchema.safeParse(document.toJS() ?? {});
  if (parsed.success) return parsed.data;
  const reasons = parsed.error.issues.map((issue) => {
    const path =
      issue.code === 'unrecognized_keys' ? [...issue.path, ...issue.keys.slice(0, 1)] : issue.path;
    const node = document.getIn(path, true);
    const range = isRanged(node) ? node.range[0] : undefined;
    const line = range === undefined ? '' : `:${String(lines.linePos(range).line)}`;
    return `${file}${line}: ${path.map(String).join('.')}: ${issue.message}`;
  });
  throw new CertmillError('CONFIG_INVALID', reasons.join('\n'));
}

function isRanged(node: unknown): node is { readonly range: readonly [number, number, number] } {
  return typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range);
}

export interface FirstCredential {
  readonly tenant: string;
  readonly key: string;
}

export interface Server {
  readonly url: string;
  readonly http: HttpApplication;
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
  let control: ControlServer | undefined;
  try {
    const opening = openIssuance(folder, config, observeStages(logger, metrics), overrides);
    // Loaded while the threads start: it takes as long as they do.
    const loading = import('@certmill/platform/http');
    loading.catch(() => undefined);
    issuance = await opening;
    gaugeParts(metrics, issuance);
    for (const kept of issuance.keptProfiles) {
      logger.warn(
        kept,
        'tenants have a profile of their own by the name and version of a built-in one',
      );
    }
    const running = issuance;
    const { startHttp } = await loading;
    const listening = await startHttp({
      services: running.services,
      config: config.http,
      logger,
      metrics,
    });
    http = listening;
    control = await openControlSocket(folder.directory, async ({ directory }) => {
      await backUpDataFolder(folder.directory, running, directory);
      logger.info({ directory }, 'backed up');
    });
    logger.info({ url: listening.url, data: config.data }, 'listening');
    return {
      url: listening.url,
      http: listening,
      issuance: running,
      openFirstCredential: () => openFirstTenant(running),
      async stop() {
        control?.close();
        await listening.stop(config.stopTimeoutMs);
        await running.stop(config.stopTimeoutMs);
        folder.release();
        logger.info('stopped');
      },
    };
  } catch (error) {
    control?.close();
    await http?.stop(1_000);
    await issuance?.stop(1_000);
    folder.release();
    throw error;
  }
}

function gaugeParts(metrics: Metrics, { log, signer }: Issuance): void {
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

async function openFirstTenant(issuance: Issuance): Promise<FirstCredential | undefined> {
  const { services } = issuance;
  const credentials = await services.tenants.listCredentials(operatorTenant);
  if (credentials.length > 0) return undefined;
  await services.openTenant(operatorTenant);
  const { key, keyHash } = newApiKey();
  await services.tenants.addCredential({
    keyHash,
    tenant: operatorTenant,
    role: 'admin',
    label: 'first credential',
    createdAtMs: services.clock.nowMs(),
  });
  return { tenant: operatorTenant, key };
}
