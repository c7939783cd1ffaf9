import { IngestPace } from './ingest-pace.js';

/** Turns that are taken at once, by several uploads, in the order in which they are granted. */
async function grantedTurns(pace: IngestPace, count: number, requests = 256): Promise<number[]> {
  const begun = performance.now();
  return Promise.all(
    Array.from({ length: count }, async () => {
      await pace.turn(requests);
      return performance.now() - begun;
    }),
  );
}

describe('bulk uploads', () => {
  it('are held back by nothing while no enrolment is about', async () => {
    const pace = new IngestPace(() => performance.now());
    const turns = await grantedTurns(pace, 100);
    expect(turns.at(-1)).toBeLessThan(100);
  });

  it('take turns, all of them together, while enrolments are about', async () => {
    const pace = new IngestPace(() => performance.now());
    pace.noteEnrolment();
    const turns = await grantedTurns(pace, 21);
    expect(turns[0]).toBeLessThan(100);
    // Timers may fire a millisecond early.
    expect(turns.at(-1)).toBeGreaterThanOrEqual(195);
  });

  it('wait four times as long for chunks of four times as many requests', async () => {
    const pace = new IngestPace(() => performance.now());
    pace.noteEnrolment();
    const turns = await grantedTurns(pace, 6, 1_024);
    expect(turns.at(-1)).toBeGreaterThanOrEqual(195);
  });

  it('are free again a second after the last enrolment', async () => {
    let now = 5_000;
    const pace = new IngestPace(() => now);
    pace.noteEnrolment();
    now += 1_000;
    const turns = await grantedTurns(pace, 100);
    expect(turns.at(-1)).toBeLessThan(100);
  });
});
