import { CertmillError } from '@certmill/domain';
import type { Clock, JobQueue, Stoppable } from '@certmill/ports';
import { BullmqQueue } from './bullmq-queue.js';
import { checkServer } from './check-server.js';
import { callClient, whenReady } from './redis-client.js';
import { redisFault } from './redis-fault.js';
import { redisAddress, type RedisServer } from './redis-server.js';

const defaults = {
  /** The longest that `add` and `count` take, and opening. */
  callTimeoutMs: 5_000,
  /** The pause after the first failure; it doubles with each further one, up to ten minutes. */
  firstRetryMs: 1_000,
  /** How long a job of a process that was killed stays its own, at least. */
  lockMs: 30_000,
  /** Failed jobs that a queue keeps; the oldest go first. */
  keptFailures: 10_000,
} as const;

export interface BullmqOptions extends RedisServer, Partial<Record<keyof typeof defaults, number>> {
  /** What every key in Redis begins with. */
  readonly prefix: string;
  readonly clock: Clock;
  /** 0 to 1: spreads retries. */
  readonly random: () => number;
  /**
   * What is told and not thrown: Redis gone (once per outage), a server that may lose jobs
   * (CONFIG_INVALID, at opening), an error of BullMQ.
   */
  readonly onFault: (fault: CertmillError) => void;
}

/**
 * Opens the job queue of the fleet: FAULT_BUS_DOWN where Redis cannot be reached in time, CONFIG_INVALID
 * where it refuses the credentials or is too old. Later outages end by themselves.
 */
export async function openBullmqQueue(options: BullmqOptions): Promise<JobQueue & Stoppable> {
  const settings = { ...defaults, ...options };
  if (options.prefix === '') {
    throw new CertmillError('CONFIG_INVALID', 'the keys of the job queue need a prefix');
  }
  const address = redisAddress(options);
  const client = callClient(address, settings.callTimeoutMs);
  // `whenReady` listens for as long as it matters.
  client.on('error', () => undefined);
  try {
    const connecting = client.connect();
    connecting.catch(() => undefined);
    await whenReady(client, settings.callTimeoutMs, 'open the job queue');
    const { keepsKeys, warnings } = checkServer(await client.info());
    for (const warning of warnings) options.onFault(warning);
    return new BullmqQueue({ ...settings, client, address, asksForServer: keepsKeys });
  } catch (error) {
    client.disconnect();
    throw redisFault(error, 'open the job queue');
  }
}
