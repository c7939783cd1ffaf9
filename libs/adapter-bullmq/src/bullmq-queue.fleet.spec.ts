import type { JobQueue, Stoppable } from '@certmill/ports';
import { Redis } from 'ioredis';
import { openForTest, redisUrl, until } from './open-for-test.fixture.js';

describe('jobs in Redis', () => {
  const prefix = `jobs-${process.pid}`;
  let queue: JobQueue & Stoppable;
  let other: JobQueue & Stoppable;
  beforeAll(async () => {
    queue = await openForTest({ prefix });
    other = await openForTest({ prefix });
  });
  afterAll(async () => {
    await queue.stop(1_000);
    await other.stop(1_000);
  });

  test('one id that eight add at once is one job, with what one of them said', async () => {
    const adders = Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? queue : other));
    await Promise.all(adders.map((each, i) => each.add('eight', { id: 'job', data: { i } })));
    expect(await queue.count('eight', 'waiting')).toBe(1);
    const seen: unknown[] = [];
    const worker = await queue.process('eight', { concurrency: 8, attempts: 1 }, ({ data }) => {
      seen.push(data['i']);
      return Promise.resolve();
    });
    await until(async () => (await queue.count('eight', 'waiting')) === 0);
    await worker.stop(1_000);
    expect(seen).toHaveLength(1);
  });

  test('two workers share a queue: every job runs once', async () => {
    const runs = new Map<string, number>();
    const workers = await Promise.all(
      [queue, other].map((each) =>
        each.process('shared', { concurrency: 4, attempts: 1 }, ({ id }) => {
          runs.set(id, (runs.get(id) ?? 0) + 1);
          return Promise.resolve();
        }),
      ),
    );
    const ids = Array.from({ length: 200 }, (_, i) => `job-${i}`);
    await Promise.all(ids.map((id) => queue.add('shared', { id, data: {} })));
    await until(async () => (await queue.count('shared', 'waiting')) === 0);
    await Promise.all(workers.map((worker) => worker.stop(1_000)));
    expect([...runs.keys()].sort()).toEqual([...ids].sort());
    expect([...runs.values()].every((count) => count === 1)).toBe(true);
  });

  test('a job that is done, or has failed, can be added again', async () => {
    const runs: unknown[] = [];
    const worker = await queue.process('again', { concurrency: 1, attempts: 1 }, ({ data }) => {
      runs.push(data['run']);
      return data['fails'] === 1 ? Promise.reject(new Error('no')) : Promise.resolve();
    });
    await queue.add('again', { id: 'job', data: { run: 'first', fails: 0 } });
    await until(async () => (await queue.count('again', 'waiting')) === 0);
    await queue.add('again', { id: 'job', data: { run: 'second', fails: 1 } });
    await until(async () => (await queue.count('again', 'failed')) === 1);
    await Promise.all(
      [queue, other].map((each) =>
        each.add('again', { id: 'job', data: { run: 'third', fails: 0 } }),
      ),
    );
    await until(async () => (await queue.count('again', 'waiting')) === 0);
    await worker.stop(1_000);
    expect(runs.slice(0, 3)).toEqual(['first', 'second', 'third']);
    expect(await queue.count('again', 'failed')).toBe(0);
  });

  test('a job that runs is not added a second time', async () => {
    const gate = Promise.withResolvers<undefined>();
    let runs = 0;
    const worker = await queue.process('running', { concurrency: 2, attempts: 1 }, async () => {
      runs += 1;
      await gate.promise;
    });
    await queue.add('running', { id: 'job', data: {} });
    await until(() => runs === 1);
    await other.add('running', { id: 'job', data: {} });
    expect(await queue.count('running', 'waiting')).toBe(1);
    gate.resolve(undefined);
    await until(async () => (await queue.count('running', 'waiting')) === 0);
    await worker.stop(1_000);
    expect(runs).toBe(1);
  });

  test('the pauses between attempts grow', async () => {
    const startedMs: number[] = [];
    await queue.add('pauses', { id: 'job', data: {} });
    const worker = await queue.process('pauses', { concurrency: 1, attempts: 4 }, () => {
      startedMs.push(performance.now());
      return Promise.reject(new Error('no'));
    });
    await until(async () => (await queue.count('pauses', 'failed')) === 1);
    await worker.stop(1_000);
    const pauses = startedMs.slice(1).map((at, i) => at - (startedMs[i] ?? 0));
    expect(pauses).toHaveLength(3);
    // 0.75 of 100, 200 and 400 ms: `random` is 0.5.
    [75, 150, 300].forEach((least, i) => expect(pauses[i]).toBeGreaterThanOrEqual(least - 5));
  });

  test('of failed jobs only the last ones are kept, and only the code of what went wrong', async () => {
    const few = await openForTest({ prefix: `few-${process.pid}`, keptFailures: 3 });
    const worker = await few.process('failures', { concurrency: 1, attempts: 1 }, () =>
      Promise.reject(new Error('password=secret')),
    );
    for (let i = 0; i < 6; i += 1) await few.add('failures', { id: `job-${i}`, data: {} });
    await until(async () => (await few.count('failures', 'waiting')) === 0);
    expect(await few.count('failures', 'failed')).toBe(3);
    const redis = new Redis(redisUrl());
    const stored = await redis.hgetall(`few-${process.pid}:failures:job-job-5`);
    redis.disconnect();
    expect(stored).toMatchObject({ failedReason: 'FAULT_PROCESSING', stacktrace: '[]' });
    expect(JSON.stringify(stored)).not.toContain('secret');
    await few.stop(1_000);
    await worker.stop(1_000);
  });

  test('a time is kept, and the handler gets the job as it was added', async () => {
    const runAtMs = Date.now() + 400;
    const data = { batch: 'b', tries: 3 };
    await queue.add('timed', { id: '42', data, runAtMs });
    const seen: unknown[] = [];
    const worker = await queue.process('timed', { concurrency: 1, attempts: 1 }, (job) => {
      seen.push({ ...job, isEarly: Date.now() < runAtMs });
      return Promise.resolve();
    });
    await until(() => seen.length === 1);
    await worker.stop(1_000);
    const close = expect.closeTo(runAtMs, -2) as unknown;
    expect(seen).toEqual([{ id: '42', data, runAtMs: close, isEarly: false }]);
  });

  test.each(['a:b', ''])('the id "%s" is refused', async (id) => {
    await expect(queue.add('ids', { id, data: {} })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
    expect(await queue.count('ids', 'waiting')).toBe(0);
  });

  test('a stopped queue takes nothing', async () => {
    const stopped = await openForTest();
    await stopped.stop(0);
    await stopped.stop(0);
    const fault = { code: 'FAULT_STOPPING' };
    await expect(stopped.add('q', { id: 'job', data: {} })).rejects.toMatchObject(fault);
    await expect(stopped.count('q', 'waiting')).rejects.toMatchObject(fault);
    await expect(
      stopped.process('q', { concurrency: 1, attempts: 1 }, () => Promise.resolve()),
    ).rejects.toMatchObject(fault);
  });
});
