import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { TaskPool, type PackedTask, type TaskPoolOptions } from './task-pool.js';

const workerFile = new URL('../testing/task.worker.js', import.meta.url);
const pools: TaskPool[] = [];

function aPool(options: Partial<TaskPoolOptions> = {}): TaskPool {
  const pool = new TaskPool({
    workerFile,
    workerData: {},
    lane: 'bulk',
    threads: 1,
    maxQueue: 8,
    taskTimeoutMs: 20_000,
    ...options,
  });
  pools.push(pool);
  return pool;
}

const task = (handler: string, message?: unknown): (() => PackedTask) => {
  return () => ({
    handler,
    message,
    transferList: message instanceof ArrayBuffer ? [message] : [],
  });
};

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.stop(1_000)));
});

describe('TaskPool', () => {
  it('moves buffers to a worker and back', async () => {
    const bytes = Uint8Array.of(1, 2, 3).buffer;
    const outcome = await aPool().run<{ bytes: ArrayBuffer }>(task('echo', bytes));
    expect(bytes.byteLength).toBe(0);
    expect(outcome.kind === 'done' && [...new Uint8Array(outcome.reply.bytes)]).toEqual([1, 2, 3]);
  });

  it('refuses what its queue has no room for, and packs nothing of it', async () => {
    const pool = aPool({ maxQueue: 2 });
    const taken = [1, 2, 3].map(() => pool.run(task('sleep', 50)));
    let isPacked = false;
    const refused = pool.run(() => {
      isPacked = true;
      return task('sleep', 0)();
    });
    expect(await refused).toEqual({ kind: 'overloaded' });
    expect(isPacked).toBe(false);
    expect((await Promise.all(taken)).map(({ kind }) => kind)).toEqual(['done', 'done', 'done']);
    expect((await pool.run(task('sleep', 0))).kind).toBe('done');
  });

  it('runs as many tasks at once as it has threads', async () => {
    const pool = aPool({ threads: 2 });
    const outcomes = await Promise.all([1, 2].map(() => pool.run<number>(task('sleep', 100))));
    const threads = outcomes.map((outcome) => outcome.kind === 'done' && outcome.reply);
    expect(new Set(threads).size).toBe(2);
  });

  it.each(['exit', 'exhaustHeap'])(
    'loses only the task whose worker died (%s), and replaces the worker',
    async (death) => {
      const pool = aPool({ resourceLimits: { maxOldGenerationSizeMb: 24 } });
      const [lost, next] = await Promise.all([pool.run(task(death)), pool.run(task('sleep', 0))]);
      expect(lost.kind).toBe('worker-lost');
      expect(next.kind).toBe('done');
    },
  );

  it('ends the worker of a task that takes too long, and only that one', async () => {
    const pool = aPool({ threads: 2, taskTimeoutMs: 5_000 });
    const [stuck, other] = await Promise.all([
      pool.run(task('spin')),
      pool.run(task('sleep', 100)),
    ]);
    expect([stuck.kind, other.kind]).toEqual(['timed-out', 'done']);
    expect((await pool.run(task('sleep', 0))).kind).toBe('done');
  });

  it('gives back what waits when it is drained, and goes on', async () => {
    const pool = aPool();
    const running = pool.run(task('sleep', 100));
    const waiting = pool.run(task('sleep', 0));
    pool.drain();
    expect((await waiting).kind).toBe('drained');
    expect((await running).kind).toBe('done');
  });

  it('finishes what runs when it is stopped, and takes nothing more', async () => {
    const pool = aPool();
    const running = pool.run(task('sleep', 300));
    const waiting = pool.run(task('sleep', 0));
    const stopped = pool.stop(10_000);
    expect((await waiting).kind).toBe('stopping');
    expect((await running).kind).toBe('done');
    await stopped;
    expect((await pool.run(task('sleep', 0))).kind).toBe('stopping');
  });

  it('stops in bounded time although a task does not end', async () => {
    const pool = aPool();
    await pool.run(task('sleep', 0));
    const stuck = pool.run(task('spin'));
    const begun = performance.now();
    await pool.stop(100);
    // The task itself has twenty seconds.
    expect(performance.now() - begun).toBeLessThan(15_000);
    expect((await stuck).kind).toBe('stopping');
  });
});

/** A process with a pool whose only thread hangs for two minutes. */
const hangingProgram = (steps: string): string => `
  import { TaskPool } from ${JSON.stringify(new URL('./task-pool.js', import.meta.url).href)};
  const pool = new TaskPool({
    workerFile: new URL(${JSON.stringify(workerFile.href)}),
    workerData: {}, lane: 'bulk', threads: 1, maxQueue: 8, taskTimeoutMs: 120_000,
  });
  const hang = (timeoutMs) =>
    pool.run(() => ({ handler: 'hang', message: 120, transferList: [] }), undefined, timeoutMs);
  ${steps}
`;

describe('a process whose thread hangs in native code', () => {
  it.each([
    ['is done with it', 'await hang(300); process.exitCode = 70;', 70],
    ['has stopped', 'await hang(300); await pool.stop(300); process.exitCode = 70;', 70],
    ['cuts it off', 'void hang(); await pool.stop(500); process.exitCode = 70;', 70],
    ['exits', 'void hang(); setTimeout(() => process.exit(130), 500);', 130],
    ['throws', 'void hang(); setTimeout(() => { throw new Error(); }, 500);', 1],
  ])('ends, with its code, when it %s', async (_, steps, code) => {
    const begunMs = performance.now();
    const args = ['--input-type=module', '-e', hangingProgram(steps)];
    const child = spawn(process.execPath, args, { stdio: 'ignore' });
    expect(await once(child, 'close')).toEqual([code, null]);
    expect(performance.now() - begunMs).toBeLessThan(60_000);
  });
});
