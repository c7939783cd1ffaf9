import { Contention } from './contention.js';

describe('a process that others are faster than', () => {
  test('makes smaller entries with each loss, and larger ones again', async () => {
    const contention = new Contention(() => 0);
    const seen: number[] = [contention.requestsPerEntry];
    for (let i = 0; i < 6; i += 1) {
      await contention.lost(true);
      seen.push(contention.requestsPerEntry);
    }
    expect(seen).toEqual([4_096, 2_048, 1_024, 512, 256, 256, 256]);
    contention.won();
    expect(contention.requestsPerEntry).toBe(512);
    for (let i = 0; i < 9; i += 1) contention.won();
    expect(contention.requestsPerEntry).toBe(4_096);
  });

  test('says so after very many times, and begins to count anew', async () => {
    const contention = new Contention(() => 0);
    for (let i = 0; i < 100; i += 1) await contention.lost(true);
    await expect(contention.lost(false)).rejects.toMatchObject({ code: 'FAULT_OVERLOADED' });
    await contention.lost(true);
  });

  test('pauses the longer the more often, but never long for urgent calls', async () => {
    for (const [isUrgent, most] of [
      [true, 2],
      [false, 50],
    ] as const) {
      const pauses: number[] = [];
      const contention = new Contention(
        () => 1,
        (ms) => {
          pauses.push(ms);
          return Promise.resolve();
        },
      );
      for (let i = 0; i < 12; i += 1) await contention.lost(isUrgent);
      expect(pauses.slice(0, 2)).toEqual([1, 2]);
      expect(Math.max(...pauses)).toBe(most);
    }
  });
});
