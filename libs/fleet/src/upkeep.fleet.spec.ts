import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { fleetSchema } from './config/fleet-config.js';
import { jobsOf } from './connections/open-jobs.js';
import { openContext, type ServiceContext } from './service-context.js';
import { startUpkeep } from './upkeep.js';

function given(name: 'REDIS_URL' | 'KAFKA_BROKERS'): string {
  const value = process.env[name];
  assert.ok(value, `${name} is not set: run npm run test:fleet`);
  return value;
}

async function aPort(): Promise<number> {
  for (;;) {
    // Below what systems hand to outgoing connections, which would take it until it is listened at.
    const port = randomInt(15_000, 32_000);
    const server = createServer();
    const isFree = await once(server.listen(port, '127.0.0.1'), 'listening').then(
      () => true,
      () => false,
    );
    server.close();
    if (isFree) return port;
  }
}

/** The tests' Redis at a port of its own. */
async function redisAt(port: number) {
  const { hostname, port: from } = new URL(given('REDIS_URL'));
  const server = createServer((socket) => {
    const upstream = connect(Number(from), hostname);
    for (const end of [socket, upstream]) end.on('error', () => undefined);
    socket.pipe(upstream).pipe(socket);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function aContext(redisPort: number, stopping: AbortSignal): Promise<ServiceContext> {
  const config = fleetSchema.parse({
    kafka: { brokers: given('KAFKA_BROKERS').split(',') },
    mongo: { uri: 'mongodb://127.0.0.1:1', database: 'certmill' },
    redis: { host: '127.0.0.1', port: redisPort },
    logLevel: 'silent',
  });
  const { context } = await openContext('publish', config, stopping, {});
  return context;
}

async function begins(context: ServiceContext): Promise<boolean> {
  const jobs = await jobsOf(context).open();
  try {
    for (let i = 0; i < 1_200; i++) {
      // The topics are not there: what was planned is tried, and kept as failed in the end.
      const [waiting, failed] = [
        await jobs.count('upkeep', 'waiting'),
        await jobs.count('upkeep', 'failed'),
      ];
      if (waiting + failed > 0) return true;
      await pause(50);
    }
    return false;
  } finally {
    await jobs.stop(1_000);
  }
}

describe('the upkeep of a fleet', () => {
  it('begins once Redis is there, and holds up a start for one try only', async () => {
    const port = await aPort();
    const stopping = new AbortController();
    const context = await aContext(port, stopping.signal);
    const begunAt = performance.now();
    const upkeep = await startUpkeep(context);
    expect(performance.now() - begunAt).toBeLessThan(30_000);
    const told = async (): Promise<string | undefined> =>
      /^certmill_waiting\{for="redis"\} (.*)$/m.exec(await context.metrics.text())?.[1];
    // For the alert; readiness stays out of it.
    expect(await told()).toBe('1');
    expect(context.readiness.waitingFor()).toEqual(['start']);
    const redis = await redisAt(port);
    try {
      expect(await begins(context)).toBe(true);
      // Each plan tells, once a minute.
      for (let i = 0; i < 1_400 && (await told()) !== '0'; i++) await pause(50);
      expect(await told()).toBe('0');
    } finally {
      stopping.abort();
      await upkeep.stop(5_000);
      redis.close();
    }
  });

  it('that never began stops with its service', async () => {
    const stopping = new AbortController();
    const upkeep = await startUpkeep(await aContext(await aPort(), stopping.signal));
    const begunAt = performance.now();
    stopping.abort();
    await upkeep.stop(60_000);
    expect(performance.now() - begunAt).toBeLessThan(30_000);
  });

  it('does not begin, nor is it waited for, where there is no Redis to ask', async () => {
    const { context } = await openContext(
      'publish',
      fleetSchema.parse({
        kafka: { brokers: ['127.0.0.1:1'] },
        mongo: { uri: 'mongodb://127.0.0.1:1', database: 'certmill' },
        logLevel: 'silent',
      }),
      new AbortController().signal,
      {},
    );
    await expect(startUpkeep(context)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});
