import { jest } from '@jest/globals';
import { CertmillError } from '@certmill/domain';
import type { Job, JobHandler, JobQueue } from '@certmill/ports';
import { countByItself, countByTurns, type CountObserver } from './count-regularly.js';
import type { CountPorts } from './count-to-renew.js';

const hourMs = 3_600_000;

/** A store without tenants, and a queue that a test works off by hand. */
class Installation {
  nowMs = 10 * hourMs;
  isAway = false;
  readonly told: (string | number)[] = [];
  readonly jobs: Job[] = [];
  handle: JobHandler = () => Promise.resolve();

  readonly ports = {
    tenants: {
      listTenants: () => {
        if (this.isAway) throw new CertmillError('FAULT_STORE_DOWN', 'away');
        return Promise.resolve({ items: [] });
      },
    },
    clock: { nowMs: () => this.nowMs },
  } as unknown as CountPorts;

  readonly observer: CountObserver = {
    counted: ({ countedAtMs }) => this.told.push(countedAtMs),
    failed: ({ code }) => this.told.push(code),
  };

  readonly queue = {
    add: (_: string, job: Job) => {
      this.jobs.push(job);
      return Promise.resolve();
    },
    process: (_: string, __: object, handler: JobHandler) => {
      this.handle = handler;
      return Promise.resolve({ stop: () => Promise.resolve() });
    },
  } as unknown as JobQueue;

  work(): ReturnType<JobHandler> {
    return this.handle({ id: 'count', data: {} });
  }
}

describe('the count of what devices are to renew', () => {
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['performance', 'nextTick', 'queueMicrotask'] });
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('is planned at the start and when an hour begins, as one job', async () => {
    const given = new Installation();
    const counting = await countByTurns(given.ports, given.queue, given.observer);
    await jest.advanceTimersByTimeAsync(30 * 60_000);
    expect(given.jobs).toHaveLength(1);
    given.nowMs += hourMs;
    await jest.advanceTimersByTimeAsync(30 * 60_000);
    expect(given.jobs.map(({ id }) => id)).toEqual(['count', 'count']);
    await counting.stop(0);
    given.nowMs += hourMs;
    await jest.advanceTimersByTimeAsync(30 * 60_000);
    expect(given.jobs).toHaveLength(2);
  });

  it('is told by the process that has its job; a fault is told, and left to the queue', async () => {
    const given = new Installation();
    const counting = await countByTurns(given.ports, given.queue, given.observer);
    expect(await given.work()).toBeUndefined();
    given.isAway = true;
    await expect(given.work()).rejects.toMatchObject({ code: 'FAULT_STORE_DOWN' });
    expect(given.told).toEqual([given.nowMs, 'FAULT_STORE_DOWN']);
    await counting.stop(0);
  });

  it('is taken over by another process where this one stops', async () => {
    const given = new Installation();
    const counting = await countByTurns(given.ports, given.queue, given.observer);
    await counting.stop(0);
    given.isAway = true;
    expect(await given.work()).toEqual({ againAtMs: given.nowMs });
    expect(given.told).toEqual([]);
  });

  it('goes on by itself, hour by hour, in a process without a queue', async () => {
    const given = new Installation();
    given.isAway = true;
    const counting = countByItself(given.ports, given.observer);
    await jest.advanceTimersByTimeAsync(1);
    given.isAway = false;
    await jest.advanceTimersByTimeAsync(2 * hourMs);
    expect(given.told).toEqual(['FAULT_STORE_DOWN', given.nowMs, given.nowMs]);
    await counting.stop(0);
    await jest.advanceTimersByTimeAsync(2 * hourMs);
    expect(given.told).toHaveLength(3);
  });
});
