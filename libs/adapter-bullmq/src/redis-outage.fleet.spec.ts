import { rm } from 'node:fs/promises';
import { makeRunFolder, RedisServer } from '@certmill/native';
import type { JobQueue, Stoppable } from '@certmill/ports';
import { Redis } from 'ioredis';
import { faultsOf, openForTest, until } from './open-for-test.fixture.js';

/** A server of one test's own, with its data on disk. */
let redis: RedisServer;
let folder: string;
beforeEach(async () => {
  folder = await makeRunFolder();
  redis = await RedisServer.start({ folder });
});
afterEach(async () => {
  // One that is paused would not end.
  redis.resume();
  await redis.stop();
  await rm(folder, { recursive: true });
});

describe('Redis goes away', () => {
  let queue: JobQueue & Stoppable;
  let faults: ReturnType<typeof faultsOf>;
  beforeEach(async () => {
    faults = faultsOf();
    queue = await openForTest({
      url: redis.url,
      prefix: 'outage',
      callTimeoutMs: 1_000,
      lockMs: 2_000,
      onFault: faults.onFault,
    });
  });
  afterEach(() => queue.stop(100));

  test('jobs in the middle are all done when it is back, and adding ends with a fault', async () => {
    const done = new Set<string>();
    const ids = Array.from({ length: 60 }, (_, i) => `job-${i}`);
    for (const id of ids) await queue.add('q', { id, data: {} });
    const gate = Promise.withResolvers<undefined>();
    await queue.process('q', { concurrency: 4, attempts: 3 }, async ({ id }) => {
      if (done.size >= 20) await gate.promise;
      done.add(id);
    });
    await until(() => done.size >= 20);

    await redis.kill();
    const startedMs = performance.now();
    await expect(queue.add('q', { id: 'late', data: {} })).rejects.toMatchObject({
      code: 'FAULT_BUS_DOWN',
    });
    await expect(queue.count('q', 'waiting')).rejects.toMatchObject({ code: 'FAULT_BUS_DOWN' });
    expect(performance.now() - startedMs).toBeLessThan(30_000);
    gate.resolve(undefined);

    await redis.start();
    await until(async () => {
      try {
        await queue.add('q', { id: 'late', data: {} });
        return true;
      } catch {
        return false;
      }
    });
    await until(async () => (await queue.count('q', 'waiting')) === 0);
    expect([...done].sort()).toEqual([...ids, 'late'].sort());
    expect(await queue.count('q', 'failed')).toBe(0);
    // Not once per attempt and connection: one of the workers' may notice late.
    const told = faults.codes.filter((code) => code === 'FAULT_BUS_DOWN').length;
    expect(told).toBeGreaterThanOrEqual(1);
    expect(told).toBeLessThanOrEqual(3);
  });

  test('a Redis that hangs keeps no caller waiting', async () => {
    await queue.add('q', { id: 'first', data: {} });
    await redis.pause();
    const startedMs = performance.now();
    await expect(queue.add('q', { id: 'second', data: {} })).rejects.toMatchObject({
      code: 'FAULT_BUS_DOWN',
    });
    expect(performance.now() - startedMs).toBeLessThan(30_000);
    redis.resume();
    await until(() => queue.add('q', { id: 'third', data: {} }).then(() => true));
  });

  test('stopping is bounded while it is away and a handler never ends', async () => {
    let isBegun = false;
    await queue.process('q', { concurrency: 1, attempts: 1 }, () => {
      isBegun = true;
      return new Promise(() => undefined);
    });
    await queue.add('q', { id: 'job', data: {} });
    await until(() => isBegun);
    await redis.kill();
    const startedMs = performance.now();
    await queue.stop(200);
    expect(performance.now() - startedMs).toBeLessThan(30_000);

    // The job was never given back: its lock runs out, and another process runs it.
    await redis.start();
    const other = await openForTest({ url: redis.url, prefix: 'outage', lockMs: 500 });
    const ran: string[] = [];
    await other.process('q', { concurrency: 1, attempts: 1 }, ({ id }) => {
      ran.push(id);
      return Promise.resolve();
    });
    await until(async () => (await other.count('q', 'waiting')) === 0);
    expect(ran).toEqual(['job']);
    await other.stop(0);
  });
});

describe('opening the job queue', () => {
  /** Changes the server's configuration while it runs. */
  async function configure(name: string, value: string): Promise<void> {
    const client = new Redis(redis.url);
    await client.config('SET', name, value);
    client.disconnect();
  }

  test('where nothing listens', async () => {
    await redis.kill();
    const opening = openForTest({ url: redis.url, callTimeoutMs: 500 });
    await expect(opening).rejects.toMatchObject({ code: 'FAULT_BUS_DOWN' });
  });

  test('with the wrong password, without one, and with the right one', async () => {
    await configure('requirepass', 'right');
    const { url } = redis;
    const wrong = openForTest({ url, password: 'wrong-secret' });
    await expect(wrong).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.not.stringContaining('secret') as unknown,
    });
    await expect(openForTest({ url })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    const queue = await openForTest({ url: url.replace('//', '//:right@') });
    await queue.add('q', { id: 'job', data: {} });
    await queue.stop(0);
  });

  test('a server that may lose jobs is warned of, and works', async () => {
    await configure('maxmemory-policy', 'allkeys-lru');
    await configure('appendonly', 'no');
    const { codes, onFault } = faultsOf();
    const queue = await openForTest({ url: redis.url, onFault });
    expect(codes).toEqual(['CONFIG_INVALID', 'CONFIG_INVALID']);
    let runs = 0;
    await queue.process('q', { concurrency: 1, attempts: 1 }, () => {
      runs += 1;
      return Promise.resolve();
    });
    await queue.add('q', { id: 'job', data: {} });
    await until(() => runs === 1);
    await queue.stop(1_000);
  });
});
