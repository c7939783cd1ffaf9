import { openBullmqQueue } from '@certmill/adapter-bullmq';
import { CertmillError } from '@certmill/domain';
import type { JobQueue } from '@certmill/ports';
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

/** The queue of timed jobs; waits for Redis. CONFIG_INVALID where none is configured. */
export async function openJobs(context: ServiceContext): Promise<JobQueue> {
  const limiter = new LineLimiter();
  const connection = redisConnection(context.config);
  const { host, port } = connection;
  const queue = await context.waitFor(`redis at ${host}:${String(port)}`, () =>
    openBullmqQueue({
      ...connection,
      prefix: 'certmill',
      clock: context.clock,
      random: Math.random,
      onFault(fault) {
        const passed = limiter.pass(fault.code);
        if (passed === undefined) return;
        context.logger.warn({ code: fault.code, err: fault, ...passed }, 'redis');
      },
    }),
  );
  context.parts.push(queue);
  return queue;
}
