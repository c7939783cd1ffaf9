import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { unpackDebian } from '../install/debian.js';
import { findCommand } from '../process/find-command.js';
import { freePorts } from '../process/free-ports.js';
import { ServerProcess } from '../process/server-process.js';
import { redisAnswers } from './redis-answers.js';

export interface RedisServerOptions {
  /** Where log and data go; see makeRunFolder. */
  readonly folder: string;
}

interface RedisProgram {
  readonly command: string;
  readonly environment: Readonly<Record<string, string>>;
}

const readyWithinMs = 30_000;

async function findRedis(): Promise<RedisProgram> {
  const command = findCommand('redis-server');
  if (command !== undefined) return { command, environment: {} };
  const { folder, libraryPath } = await unpackDebian(
    ['redis-server'],
    'Redis',
    'Redis 6.2 or newer, redis-server on the PATH (Debian: redis-server)',
  );
  return {
    command: join(folder, 'usr', 'bin', 'redis-server'),
    environment: { LD_LIBRARY_PATH: libraryPath },
  };
}

/**
 * Redis as BullMQ wants it: append-only file, nothing evicted. What it has answered is there after kill()
 * and start(), at the same address.
 */
export class RedisServer {
  readonly #options: RedisServerOptions;
  readonly #program: RedisProgram;
  readonly #port: number;
  #server: ServerProcess | undefined;

  private constructor(options: RedisServerOptions, program: RedisProgram, port: number) {
    this.#options = options;
    this.#program = program;
    this.#port = port;
  }

  static async start(options: RedisServerOptions): Promise<RedisServer> {
    const program = await findRedis();
    const [port = 0] = await freePorts(1);
    await mkdir(options.folder, { recursive: true });
    const redis = new RedisServer(options, program, port);
    await redis.start();
    return redis;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#port}`;
  }

  /** Starts it again after kill() or stop(). */
  async start(): Promise<void> {
    if (this.#server !== undefined) return;
    const { folder } = this.#options;
    this.#server = await ServerProcess.start({
      name: 'Redis',
      ...this.#program,
      args: [
        ...['--port', String(this.#port), '--bind', '127.0.0.1', '--dir', folder],
        ...['--appendonly', 'yes', '--save', '', '--maxmemory-policy', 'noeviction'],
      ],
      logFile: join(folder, 'redis.log'),
      isReady: ({ pid }) => redisAnswers(this.#port, pid),
      readyWithinMs,
      fault: 'FAULT_BUS_DOWN',
    });
  }

  /** SIGSTOP: it holds its connections and answers nothing; resume() lets it go on. */
  pause(): void {
    this.#server?.pause();
  }

  resume(): void {
    this.#server?.resume();
  }

  /** SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    await this.#server?.kill();
    this.#server = undefined;
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#server = undefined;
  }
}
