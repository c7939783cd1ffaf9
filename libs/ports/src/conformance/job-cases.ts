import assert from 'node:assert/strict';
import type { JobQueue } from '../jobs.js';
import { expectSame } from './expect-same.js';
import type { StoreCase } from './store-case.js';

/** Waits until the condition holds; a real queue has its own pace. */
async function until(
  condition: () => Promise<boolean> | boolean,
  patienceMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, 'nothing happened in time');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Jobs. The queue under test retries a failed job within a second. */
export const jobCases: readonly StoreCase<JobQueue>[] = [
  {
    name: 'a job that is added twice is one job',
    async run(jobs, tenant, patienceMs) {
      const queue = `once-${tenant}`;
      for (let i = 0; i < 2; i += 1) await jobs.add(queue, { id: 'job', data: { i } });
      assert.equal(await jobs.count(queue, 'waiting'), 1);
      const runs: unknown[] = [];
      const options = { concurrency: 1, attempts: 1 };
      const worker = await jobs.process(queue, options, ({ data }) => {
        runs.push(data['i']);
        return Promise.resolve();
      });
      await until(async () => (await jobs.count(queue, 'waiting')) === 0, patienceMs);
      await worker.stop(1_000);
      expectSame(runs, [0]);
    },
    broken: (jobs) => ({
      add: (queue, job) => jobs.add(queue, { ...job, id: `${job.id}-${String(job.data['i'])}` }),
    }),
  },
  {
    name: 'a job that fails is tried again, then kept as failed',
    async run(jobs, tenant, patienceMs) {
      const queue = `fails-${tenant}`;
      let runs = 0;
      await jobs.add(queue, { id: 'job', data: {} });
      const worker = await jobs.process(queue, { concurrency: 2, attempts: 2 }, () => {
        runs += 1;
        return Promise.reject(new Error('no'));
      });
      await until(async () => (await jobs.count(queue, 'failed')) === 1, patienceMs);
      await worker.stop(1_000);
      assert.equal(runs, 2);
      assert.equal(await jobs.count(queue, 'waiting'), 0);
    },
    broken: (jobs) => ({
      process: (queue, options, handler) =>
        jobs.process(queue, options, (job) => handler(job).catch(() => undefined)),
    }),
  },
  {
    name: 'a job whose worker stopped before it was done runs again',
    async run(jobs, tenant, patienceMs) {
      const queue = `again-${tenant}`;
      await jobs.add(queue, { id: 'job', data: {} });
      let isBegun = false;
      const first = await jobs.process(queue, { concurrency: 1, attempts: 3 }, () => {
        isBegun = true;
        return new Promise<void>(() => undefined);
      });
      await until(() => isBegun, patienceMs);
      await first.stop(1);
      let isDone = false;
      const second = await jobs.process(queue, { concurrency: 1, attempts: 3 }, () => {
        isDone = true;
        return Promise.resolve();
      });
      await until(() => isDone, patienceMs);
      await second.stop(1_000);
      assert.equal(await jobs.count(queue, 'failed'), 0);
    },
    broken: (jobs) => ({
      process: (queue, options, handler) =>
        jobs.process(queue, options, (job) => {
          void handler(job);
          return Promise.resolve();
        }),
    }),
  },
  {
    name: 'a job that its handler wants to run again does so at its time, however often, and has not failed',
    async run(jobs, tenant, patienceMs) {
      const queue = `on-${tenant}`;
      const pauseMs = 60;
      await jobs.add(queue, { id: 'job', data: { i: 1 } });
      const ran: number[] = [];
      const others: string[] = [];
      const worker = await jobs.process(queue, { concurrency: 1, attempts: 2 }, async ({ id }) => {
        if (id !== 'job') {
          others.push(id);
          return undefined;
        }
        ran.push(Date.now());
        if (ran.length === 1) await jobs.add(queue, { id: 'other', data: {} });
        return ran.length < 4 ? { againAtMs: Date.now() + pauseMs } : undefined;
      });
      await until(async () => (await jobs.count(queue, 'waiting')) === 0, patienceMs);
      await worker.stop(1_000);
      assert.equal(ran.length, 4);
      expectSame(others, ['other']);
      const pauses = ran.slice(1).map((at, i) => at - (ran[i] ?? 0));
      assert.ok(
        pauses.every((ms) => ms >= pauseMs - 2),
        pauses.join(' '),
      );
      assert.equal(await jobs.count(queue, 'failed'), 0);
    },
    broken: (jobs) => ({
      process: (queue, options, handler) =>
        jobs.process(queue, options, async (job) => {
          await handler(job);
        }),
    }),
  },
  {
    name: 'a job whose time a clock that was ahead has set runs when it is added again',
    async run(jobs, tenant, patienceMs) {
      const queue = `ahead-${tenant}`;
      const hourMs = 3_600_000;
      const later = (ms: number) => ({ runAtMs: Date.now() + ms });
      await jobs.add(queue, { id: 'year', data: { i: 1 }, ...later(365 * 24 * hourMs) });
      await jobs.add(queue, { id: 'pause', data: { i: 1 }, ...later(hourMs / 10) });
      for (const id of ['year', 'pause']) await jobs.add(queue, { id, data: { i: 2 } });
      assert.equal(await jobs.count(queue, 'waiting'), 2);
      const ran: unknown[] = [];
      const worker = await jobs.process(queue, { concurrency: 1, attempts: 1 }, ({ id, data }) => {
        ran.push([id, data['i']]);
        return Promise.resolve();
      });
      await until(async () => (await jobs.count(queue, 'waiting')) === 1, patienceMs);
      await worker.stop(1_000);
      expectSame(ran, [['year', 2]]);
    },
    broken: (jobs) => {
      const added = new Set<string>();
      return {
        add: async (queue, job) => {
          if (!added.has(job.id)) await jobs.add(queue, job);
          added.add(job.id);
        },
      };
    },
  },
  {
    name: 'a job waits for its time',
    async run(jobs, tenant, patienceMs) {
      const queue = `later-${tenant}`;
      await jobs.add(queue, { id: 'far', data: {}, runAtMs: Number.MAX_SAFE_INTEGER });
      await jobs.add(queue, { id: 'now', data: {} });
      const ran: string[] = [];
      const worker = await jobs.process(queue, { concurrency: 2, attempts: 1 }, ({ id }) => {
        ran.push(id);
        return Promise.resolve();
      });
      await until(async () => (await jobs.count(queue, 'waiting')) === 1, patienceMs);
      await worker.stop(1_000);
      expectSame(ran, ['now']);
    },
    broken: (jobs) => ({
      add: (queue, { id, data }) => jobs.add(queue, { id, data }),
    }),
  },
];
