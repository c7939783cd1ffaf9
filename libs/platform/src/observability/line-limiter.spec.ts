import { LineLimiter } from './line-limiter.js';

describe('a line limiter', () => {
  it('lets some lines of a key pass in a window, and says later how many it kept back', () => {
    let nowMs = 0;
    const limiter = new LineLimiter({ burst: 2, windowMs: 1_000 }, () => nowMs);
    const lines = Array.from({ length: 5 }, () => limiter.pass('a'));
    expect(lines).toEqual([{}, {}, undefined, undefined, undefined]);
    expect(limiter.pass('b')).toEqual({});
    nowMs = 999;
    expect(limiter.pass('a')).toBeUndefined();
    nowMs = 1_000;
    expect(limiter.pass('a')).toEqual({ keptBack: 4 });
    nowMs = 2_000;
    expect(limiter.pass('a')).toEqual({});
  });
});
