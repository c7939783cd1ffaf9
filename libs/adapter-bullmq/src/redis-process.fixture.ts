import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, globSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** A Redis of a spec's own, with its data on disk: to be killed, paused and started again. */
export class RedisProcess {
  readonly #folder = mkdtempSync(join(tmpdir(), 'certmill-redis-'));
  readonly #arguments: readonly string[];
  readonly port: number;
  #child: ChildProcess | undefined;

  private constructor(port: number, options: readonly string[]) {
    this.port = port;
    this.#arguments = options;
  }

  static async start(...options: string[]): Promise<RedisProcess> {
    const redis = new RedisProcess(await freePort(), options);
    await redis.start();
    return redis;
  }

  async start(): Promise<void> {
    const durable = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'always'];
    const place = ['--bind', '127.0.0.1', '--port', String(this.port), '--dir', this.#folder];
    this.#child = spawn(redisBinary(), [...place, ...durable, ...this.#arguments], {
      stdio: 'ignore',
    });
    const deadline = Date.now() + 10_000;
    while (!(await answers(this.port))) {
      assert.ok(Date.now() < deadline, 'Redis does not start');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    const exited = once(child, 'exit');
    child.kill('SIGCONT');
    child.kill('SIGKILL');
    await exited;
  }

  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true });
  }
}

/** On the PATH, or where `npm run test:fleet` has put it. */
function redisBinary(): string {
  const name = 'redis-server';
  const cache = process.env['CERTMILL_NATIVE_CACHE'] ?? '.cache/native';
  const places = [
    ...(process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name)),
    ...globSync(`debian-*/run/${name}`, { cwd: cache }).map((path) => join(cache, path)),
  ];
  const found = places.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  assert.ok(found !== undefined, `no ${name}: install Redis (apt-get install redis-server)`);
  return found;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Whether it answers PING; it also does, with -LOADING, while it reads its data. */
async function answers(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
  socket.on('data', (reply) => resolve(!reply.includes('LOADING')));
  socket.on('error', () => resolve(false));
  const isUp = await promise;
  socket.destroy();
  return isUp;
}
