import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '../process/free-ports.js';
import { RestartableServer } from '../process/restartable-server.js';
import { ServerProcess } from '../process/server-process.js';
import { findRedis } from './find-redis.js';
import { redisAnswers } from './redis-answers.js';

export interface RedisServerOptions {
  /** Where log and data go; see makeRunFolder. */
  readonly folder: string;
  /** More arguments of redis-server; the plain port stays open to the default user without password. */
  readonly args?: readonly string[];
}

const readyWithinMs = 30_000;

/**
 * Redis as BullMQ wants it: append-only file, nothing evicted. What it has answered is there after kill()
 * and start(), at the same address.
 */
export class RedisServer extends RestartableServer {
  readonly #port: number;

  private constructor(options: RedisServerOptions, command: string, port: number) {
    super(() => startRedis(options, command, port));
    this.#port = port;
  }

  static async start(options: RedisServerOptions): Promise<RedisServer> {
    const command = await findRedis();
    const [port = 0] = await freePorts(1);
    await mkdir(options.folder, { recursive: true });
    const redis = new RedisServer(options, command, port);
    await redis.start();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#port}`;
  }
}

function startRedis(
  { folder, args = [] }: RedisServerOptions,
  command: string,
  port: number,
): Promise<ServerProcess> {
  return ServerProcess.start({
    name: 'Redis',
    command,
    args: [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder],
      ...['--appendonly', 'yes', '--save', '', '--maxmemory-policy', 'noeviction'],
      ...args,
    ],
    logFile: join(folder, 'redis.log'),
    isReady: ({ pid }) => redisAnswers(port, pid),
    readyWithinMs,
    fault: 'FAULT_BUS_DOWN',
  });
}
