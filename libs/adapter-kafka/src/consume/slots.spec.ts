import { Slots } from './slots.js';

const never = new AbortController().signal;

describe('slots', () => {
  it('give half to those that were tried before, and the rest to others', async () => {
    const slots = new Slots(4);
    const taken: boolean[] = [];
    for (let i = 0; i < 3; i++) void slots.takeForRetry(never).then((has) => taken.push(has));
    await Promise.resolve();
    expect(taken).toEqual([true, true]);
    expect([slots.tryTake(), slots.tryTake(), slots.tryTake()]).toEqual([true, true, false]);
    slots.give(false);
    await Promise.resolve();
    expect(taken).toHaveLength(2);
    slots.give(true);
    await Promise.resolve();
    expect(taken).toEqual([true, true, true]);
  });

  it('that are one go by turns', async () => {
    const slots = new Slots(1);
    const taken: number[] = [];
    for (const n of [1, 2]) void slots.takeForRetry(never).then(() => taken.push(n));
    await Promise.resolve();
    slots.give(true);
    await Promise.resolve();
    expect([taken, slots.tryTake()]).toEqual([[1], true]);
    slots.give(false);
    await Promise.resolve();
    expect(taken).toEqual([1, 2]);
  });

  it('are not waited for any more once the signal aborts', async () => {
    const slots = new Slots(1);
    slots.tryTake();
    const stop = new AbortController();
    const waited = slots.takeForRetry(stop.signal);
    stop.abort();
    expect([await waited, await slots.takeForRetry(stop.signal)]).toEqual([false, false]);
    slots.give(false);
    expect(slots.tryTake()).toBe(true);
  });
});
