import { latchMemories, SharedLatch } from './shared-latch.js';

const latchOf = (name: string, owner = 1): SharedLatch => {
  const memory = latchMemories([name], owner)[name];
  return new SharedLatch(memory!, owner);
};

describe('SharedLatch', () => {
  it('is run by one at a time, and the next one waits no longer than told', () => {
    const latch = latchOf('one at a time');
    const inner: string[] = [];
    expect(latch.run(() => inner.push(latch.run(() => inner.push('never'), 20)), 1_000)).toBe(
      'done',
    );
    expect(inner).toEqual(['timed-out']);
    expect(latch.run(() => undefined, 0)).toBe('done');
  });

  it('is free again after work that throws', () => {
    const latch = latchOf('throws');
    expect(() =>
      latch.run(() => {
        throw new RangeError('work');
      }, 0),
    ).toThrow('work');
    expect(latch.run(() => undefined, 0)).toBe('done');
  });

  it('is never run again once it is closed, under its name', () => {
    latchOf('closed').run(() => {
      latchOf('another').close();
      latchOf('closed').close();
    }, 0);
    expect(latchOf('closed').run(() => undefined, 0)).toBe('closed');
    expect(latchOf('another').run(() => undefined, 0)).toBe('closed');
    expect(latchOf('a third').run(() => undefined, 0)).toBe('done');
  });

  it('is not freed by another slot of the token that opens meanwhile', () => {
    const outcomes: string[] = [];
    latchOf('held').run(() => {
      outcomes.push(latchOf('held', 2).run(() => undefined, 0));
    }, 0);
    outcomes.push(latchOf('held', 2).run(() => undefined, 0));
    expect(outcomes).toEqual(['timed-out', 'done']);
  });

  it('is free again for a new life of the slot, whoever took it with him', () => {
    const outcomes: string[] = [];
    latchOf('taken along').run(
      () => outcomes.push(latchOf('taken along').run(() => undefined, 0)),
      0,
    );
    expect(outcomes).toEqual(['done']);
  });
});
