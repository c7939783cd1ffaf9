import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { JobQueue, Stoppable } from '@certmill/ports';
import { openForTest, until } from './open-for-test.fixture.js';

const lockMs = 500;
const prefix = `killed-${process.pid}`;

/** A worker in a process of its own. */
class WorkerProcess implements AsyncDisposable {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  said = '';

  constructor(queue: string) {
    const script = join(import.meta.dirname, 'worker-process.fixture.js');
    this.child = spawn(process.execPath, [script, prefix, queue, String(lockMs)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => (this.said += text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }
}

describe('a worker in another process', () => {
  let jobs: JobQueue & Stoppable;
  beforeAll(async () => {
    jobs = await openForTest({ prefix, lockMs });
  });
  afterAll(() => jobs.stop(1_000));

  /** Runs what is there in this process, once the other process has begun it. */
  async function takeOver(queue: string): Promise<readonly string[]> {
    const ran: string[] = [];
    await jobs.process(queue, { concurrency: 1, attempts: 1 }, ({ id }) => {
      ran.push(id);
      return Promise.resolve();
    });
    await until(() => ran.length > 0);
    return ran;
  }

  test('is killed: its job runs again elsewhere, and has not failed', async () => {
    await using worker = new WorkerProcess('kill');
    await jobs.add('kill', { id: 'job', data: {} });
    await until(() => worker.said.includes('begun job'));
    worker.child.kill('SIGKILL');
    await once(worker.child, 'exit');

    const ran = await takeOver('kill');
    await until(async () => (await jobs.count('kill', 'waiting')) === 0);
    expect(ran).toEqual(['job']);
    expect(await jobs.count('kill', 'failed')).toBe(0);
  });

  test('is paused past its lock: it goes on, is told so, and changes nothing any more', async () => {
    await using worker = new WorkerProcess('pause');
    await jobs.add('pause', { id: 'job', data: {} });
    await until(() => worker.said.includes('begun job'));
    worker.child.kill('SIGSTOP');

    const ran = await takeOver('pause');
    await until(async () => (await jobs.count('pause', 'waiting')) === 0);
    // Added anew meanwhile, for a time that does not come: it is not the zombie's to end.
    const next = { id: 'job', data: {}, runAtMs: Date.now() + 3_600_000 };
    await jobs.add('pause', next);
    worker.child.kill('SIGCONT');
    worker.child.stdin.write('\n');
    // It may tell before that Redis did not answer in time: it was paused meanwhile.
    await until(() => worker.said.includes('fault FAULT_PROCESSING'));
    expect(worker.said).toContain('ended job');
    expect(ran).toEqual(['job']);
    expect(await jobs.count('pause', 'waiting')).toBe(1);
    expect(await jobs.count('pause', 'failed')).toBe(0);
  });
});
