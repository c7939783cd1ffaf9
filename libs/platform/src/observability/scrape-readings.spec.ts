import { cached, readOf } from './scrape-readings.js';

const never = new Promise<number>(() => undefined);

describe('a reading for a scrape', () => {
  it('is absent where it fails or takes too long', async () => {
    expect(await readOf(() => 7)).toBe(7);
    const fails = (): Promise<number> => Promise.reject(new Error('away'));
    expect(await readOf(fails)).toBeUndefined();
    const throws = (): number => {
      throw new Error('away');
    };
    expect(await readOf(throws)).toBeUndefined();
    expect(await readOf(() => never, 10)).toBeUndefined();
  });
});

describe('a cached reading', () => {
  it('is one for all who ask in its time, also while it is under way', async () => {
    let nowMs = 0;
    let reads = 0;
    const read = cached(
      () => Promise.resolve(++reads),
      1_000,
      () => nowMs,
    );
    expect(await Promise.all([read(), read()])).toEqual([1, 1]);
    nowMs = 999;
    expect(await read()).toBe(1);
    nowMs = 1_000;
    expect(await read()).toBe(2);
  });

  it('is not begun again while one hangs, however old that is', () => {
    let nowMs = 0;
    let reads = 0;
    const read = cached(
      () => {
        reads++;
        return never;
      },
      1_000,
      () => nowMs,
    );
    void read();
    nowMs = 1_000_000;
    void read();
    expect(reads).toBe(1);
  });

  it('that failed is tried again after its time', async () => {
    let nowMs = 0;
    let reads = 0;
    const read = cached(
      () => (++reads === 1 ? Promise.reject(new Error('away')) : Promise.resolve(reads)),
      1_000,
      () => nowMs,
    );
    await expect(read()).rejects.toThrow('away');
    nowMs = 1_000;
    expect(await read()).toBe(2);
  });
});
