import { FairQueue } from './fair-queue.js';

function drain(queue: FairQueue<string>): string[] {
  const items: string[] = [];
  for (let item = queue.take(none); item !== undefined; item = queue.take(none)) items.push(item);
  return items;
}

const none: ReadonlySet<number> = new Set();

describe('a fair queue', () => {
  it('takes from its partitions in turn, each in order', () => {
    const queue = new FairQueue<string>();
    for (const item of ['a1', 'a2', 'a3', 'a4']) queue.push(0, item, 1);
    queue.push(1, 'b1', 1);
    for (const item of ['c1', 'c2']) queue.push(2, item, 1);
    expect(drain(queue)).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3', 'a4']);
  });

  it('gives a partition that comes late its turn next but one', () => {
    const queue = new FairQueue<string>();
    for (let i = 0; i < 200; i++) queue.push(0, `a${String(i)}`, 1);
    for (let i = 0; i < 100; i++) queue.take(none);
    queue.push(1, 'b', 1);
    expect([queue.take(none), queue.take(none)]).toEqual(['a100', 'b']);
    expect(drain(queue)).toHaveLength(99);
  });

  it('knows how much it holds, also when a partition is dropped', () => {
    const queue = new FairQueue<string>();
    queue.push(0, 'a1', 10);
    queue.push(0, 'a2', 20);
    queue.push(1, 'b1', 40);
    expect(queue.take(none)).toBe('a1');
    expect([queue.size, queue.bytes]).toEqual([2, 60]);
    queue.drop(0);
    queue.drop(7);
    expect([queue.size, queue.bytes]).toEqual([1, 40]);
    expect(drain(queue)).toEqual(['b1']);
    expect([queue.size, queue.bytes]).toEqual([0, 0]);
  });

  it('passes over what is held, and says how much that is', () => {
    const queue = new FairQueue<string>();
    queue.push(0, 'a', 10);
    queue.push(0, 'b', 20);
    queue.push(1, 'c', 5);
    const held = new Set([0, 7]);
    expect([queue.take(held), queue.take(held)]).toEqual(['c', undefined]);
    expect(queue.sizeOf(held)).toEqual({ size: 2, bytes: 30 });
    expect(queue.take(none)).toBe('a');
    expect(queue.sizeOf(held)).toEqual({ size: 1, bytes: 20 });
  });
});
