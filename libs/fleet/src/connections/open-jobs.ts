import { openBullmqQueue } from '@certmill/adapter-bullmq';
import { CertmillError } from '@certmill/domain';
import type { JobQueue, Stoppable } from '@certmill/ports';
import { LineLimiter } from '@certmill/platform';
import { readClientTls, readSecret } from '../config/secret-files.js';
import type { FleetConfig } from '../config/fleet-config.js';
import type { ServiceContext } from '../service-context.js';

/** How to reach Redis, with secrets read from their files. CONFIG_INVALID where none is configured. */
export function redisConnection({ redis }: Pick<FleetConfig, 'redis'>) {
  if (redis === undefined) {
    throw new CertmillError('CONFIG_INVALID', 'redis is missing: timed jobs need it');
  }
  const tls = readClientTls('redis.tls', redis.tls);
  const { host, port, username, passwordFile } = redis;
  if (username !== undefined && passwordFile === undefined) {
    throw new CertmillError('CONFIG_INVALID', 'redis: username needs passwordFile');
  }
  return {
    host,
    port,
    ...(username === undefined ? {} : { username }),
    ...(passwordFile === undefined
      ? {}
      : { password: readSecret('redis.passwordFile', passwordFile) }),
    ...(tls === undefined ? {} : { tls }),
  };
}

export interface JobsOpener {
  /** For people: where the queue is. */
  readonly what: string;
  /** One try, of a few seconds at most; faults as those of `openBullmqQueue`. */
  readonly open: () => Promise<JobQueue & Stoppable>;
}

/**
 * For jobs that tell of revocations, which are to be known within a minute: what a process that was
 * killed had in hand is begun again after 10 to 20 s.
 */
export const promptJobs = { lockMs: 10_000 } as const;

/** The queue of timed jobs, still to be opened. CONFIG_INVALID where none is configured. */
export function jobsOf(
  context: ServiceContext,
  settings: { readonly lockMs?: number } = {},
): JobsOpener {
  const limiter = new LineLimiter();
  const connection = redisConnection(context.config);
  const { host, port } = connection;
  const open = () =>
    openBullmqQueue({
      ...connection,
      ...settings,
      prefix: 'certmill',
      clock: context.clock,
      random: Math.random,
      onFault(fault) {
        const passed = limiter.pass(fault.code);
        if (passed === undefined) return;
        context.logger.warn({ code: fault.code, err: fault, ...passed }, 'redis');
      },
    });
  return { what: `redis at ${host}:${String(port)}`, open };
}
