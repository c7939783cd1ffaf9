import { issuanceClock } from './issuance-clock.js';

const backwards = expect.objectContaining({ code: 'FAULT_CLOCK_BACKWARDS' }) as unknown as Error;

describe('the time that is pinned', () => {
  let nowMs: number;
  const clockAt = (lastMs: number) => issuanceClock({ nowMs: () => nowMs }, lastMs);
  beforeEach(() => {
    nowMs = 100_000;
  });

  it('is never before one that another process pinned', () => {
    const clock = clockAt(0);
    clock.learn(104_000);
    expect(clock.nowMs()).toBe(104_000);
    clock.learn(103_000);
    nowMs = 102_000;
    expect(clock.nowMs()).toBe(104_000);
    nowMs = 105_000;
    expect(clock.nowMs()).toBe(105_000);
  });

  it('is none at all where the clock is far behind the others', () => {
    const clock = clockAt(0);
    expect(() => clock.learn(105_001)).toThrow(backwards);
    expect(() => clock.nowMs()).toThrow(backwards);
    nowMs = 100_001;
    expect(clock.nowMs()).toBe(105_001);
  });

  it('is none where the clock is far behind what the store knows', () => {
    expect(() => clockAt(105_001).nowMs()).toThrow(backwards);
  });
});
