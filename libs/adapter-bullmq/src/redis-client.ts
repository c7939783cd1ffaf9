import { CertmillError } from '@certmill/domain';
import { Redis, type RedisOptions } from 'ioredis';
import { isRefusal, redisFault } from './redis-fault.js';
import type { RedisAddress } from './redis-server.js';

/** Between two attempts to reach Redis again: quick at first, then at most two seconds. */
const firstReconnectMs = 50;
const longestReconnectMs = 2_000;
/** What the other side gets to close its half when a connection is cut; a process ends no sooner. */
const disconnectTimeout = 100;

function reconnectAfterMs(times: number): number {
  return Math.min(longestReconnectMs, firstReconnectMs * 2 ** Math.min(times, 10));
}

/**
 * The connection of calls that somebody waits for: a call ends within `callTimeoutMs`, and nothing is
 * kept to be sent later.
 */
export function callClient(address: RedisAddress, callTimeoutMs: number): Redis {
  return new Redis({
    ...address,
    lazyConnect: true,
    connectTimeout: callTimeoutMs,
    commandTimeout: callTimeoutMs,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: reconnectAfterMs,
    disconnectTimeout,
  });
}

/**
 * The connections of one worker: its own, and the copies that BullMQ makes to block on. They wait for
 * Redis for ever, so they are kept in sight to be cut when the worker stops.
 */
export class WorkerClient extends Redis {
  readonly #copies: Redis[] = [];

  constructor(address: RedisAddress) {
    super({
      ...address,
      maxRetriesPerRequest: null,
      retryStrategy: reconnectAfterMs,
      disconnectTimeout,
    });
    this.on('error', ignore);
  }

  get isReady(): boolean {
    return [this, ...this.#copies].every((client) => client.status === 'ready');
  }

  override duplicate(override?: Partial<RedisOptions>): Redis {
    const copy = super.duplicate(override);
    copy.on('error', ignore);
    this.#copies.push(copy);
    return copy;
  }

  cut(): void {
    for (const client of [this, ...this.#copies]) client.disconnect();
  }
}

/** BullMQ tells of errors while it listens; an error before or after that must not end the process. */
function ignore(): void {
  return;
}

/** Resolves when the client can send, FAULT_BUS_DOWN when it could not within the time. */
export async function whenReady(client: Redis, timeoutMs: number, what: string): Promise<void> {
  if (client.status === 'ready') return;
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  let last: unknown;
  const ready = (): void => resolve(undefined);
  const failed = (error: unknown): void => {
    last = error;
    if (isRefusal(error)) reject(redisFault(error, what));
  };
  const ended = (): void =>
    reject(new CertmillError('FAULT_STOPPING', 'the job queue is stopping'));
  const late = (): void =>
    reject(redisFault(last ?? new DOMException('no connection', 'TimeoutError'), what));
  const timer = setTimeout(late, timeoutMs);
  client.on('ready', ready).on('error', failed).on('end', ended);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    client.off('ready', ready).off('error', failed).off('end', ended);
  }
}
