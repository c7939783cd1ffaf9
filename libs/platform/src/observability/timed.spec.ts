import { timed } from './timed.js';

class Counter {
  #count = 0;
  readonly kept = Promise.resolve('kept');

  get count(): number {
    return this.#count;
  }

  add(by: number, ...more: number[]): Promise<number> {
    this.#count += more.reduce((sum, one) => sum + one, by);
    return Promise.resolve(this.#count);
  }

  addTwice(by: number): Promise<number> {
    return this.add(by).then(() => this.add(by));
  }

  keep(): Promise<string> {
    return this.kept;
  }

  fail(): Promise<never> {
    return Promise.reject(new Error('failed'));
  }

  now(): number {
    return this.#count;
  }
}

describe('a timed object', () => {
  const ended: [method: string, seconds: number, args: readonly unknown[]][] = [];
  const failures: unknown[] = [];
  const observerOf = (method: string) => ({
    ended: (seconds: number, args: readonly unknown[]) => ended.push([method, seconds, args]),
    failed: (error: unknown) => failures.push(error),
  });
  const original = new Counter();
  const counter = timed(original, {
    add: observerOf('add'),
    keep: observerOf('keep'),
    fail: observerOf('fail'),
    now: observerOf('now'),
  });

  beforeEach(() => {
    ended.length = failures.length = 0;
  });

  it('does what the object does, with its private fields, arguments and results', async () => {
    expect(await counter.add(1, 2, 3)).toBe(6);
    expect([counter.count, counter.now(), original.count]).toEqual([6, 6, 6]);
    expect(counter.keep()).toBe(original.kept);
    expect(counter).toBeInstanceOf(Counter);
  });

  it('tells how long each call took until its promise settled', async () => {
    await counter.add(1, 2);
    expect(ended).toEqual([['add', expect.any(Number), [1, 2]]]);
    expect(ended[0]?.[1]).toBeGreaterThanOrEqual(0);
    expect(counter.now()).toBe(9);
    expect(ended).toHaveLength(1);
  });

  it('tells of calls from outside only', async () => {
    expect(await counter.addTwice(1)).toBe(11);
    expect(ended).toEqual([]);
  });

  it('tells of failures, which reach the caller as they are', async () => {
    await expect(counter.fail()).rejects.toThrow('failed');
    expect(failures).toEqual([new Error('failed')]);
    expect(ended).toHaveLength(1);
  });
});
