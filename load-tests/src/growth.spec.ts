import { growthOf } from './growth.js';
import type { Sample } from './sample-target.js';

interface Soak {
  readonly seconds: number;
  readonly perSecond: number;
  /** Of one process, after so many seconds of load and so many requests. */
  readonly rssMiB: (seconds: number, millions: number) => number;
  readonly lagChunks: (seconds: number) => number | null;
}

/** An hour and two million requests; memory and lag come and go, and stay where they are. */
const steady: Soak = {
  seconds: 3_600,
  perSecond: 600,
  rssMiB: (seconds) => 300 + (seconds % 40),
  lagChunks: (seconds) => (seconds % 30 < 6 ? 60 : 0),
};
const preparing = 300;

/** With minutes before in which tenants are opened, and some seconds after in which nothing comes. */
function aSoak(changes: Partial<Soak>): readonly Sample[] {
  const { seconds, perSecond, rssMiB, lagChunks } = { ...steady, ...changes };
  return Array.from({ length: preparing + seconds + 10 }, (_, atSeconds) => {
    const under = Math.min(seconds, Math.max(0, atSeconds - preparing));
    const requests = under * perSecond;
    return {
      atSeconds,
      requests,
      lagChunks: under === 0 ? 0 : lagChunks(under),
      processRssMiB: [rssMiB(under, requests / 1e6), 100],
    };
  });
}

const growth = (changes: Partial<Soak>, hasBegunAnew = [false, false]) =>
  growthOf(aSoak(changes), hasBegunAnew);

describe('memory of a process', () => {
  test('that comes and goes has not grown', () => {
    const { rssPercent, tooShort } = growth({});
    expect(Math.abs(rssPercent[0] ?? Infinity)).toBeLessThan(0.3);
    expect(rssPercent[1]).toBe(0);
    expect(tooShort).toEqual({});
  });

  test('grows by its slope: 5 % of what it is, each million requests', () => {
    const { rssPercent } = growth({ rssMiB: (_, millions) => 300 + 15 * (millions - 1.188) });
    expect(rssPercent[0]).toBeCloseTo(5, 1);
    expect(rssPercent[1]).toBe(0);
  });

  test('that shrinks has a slope below 0', () => {
    expect(growth({ rssMiB: (_, millions) => 300 - 15 * millions }).rssPercent[0]).toBeLessThan(-5);
  });

  test('may grow before the load, and in its first tenth', () => {
    const { rssPercent } = growth({ rssMiB: (seconds) => Math.min(300, 100 + seconds) });
    expect(rssPercent[0]).toBeCloseTo(0, 5);
  });

  test('of a process that began anew says nothing, and is no reason not to judge', () => {
    const { rssPercent, tooShort } = growth({}, [true, false]);
    expect(rssPercent).toEqual([undefined, 0]);
    expect(tooShort).toEqual({});
  });
});

describe('lag', () => {
  test('that comes and goes with batches has not grown', () => {
    expect(Math.abs(growth({}).lagChunks ?? Infinity)).toBeLessThan(1);
  });

  test('has grown where more waits from third to third', () => {
    // Means of 150 and 250, of what grows by 300 in all.
    expect(growth({ lagChunks: (seconds) => seconds / 12 }).lagChunks).toBeCloseTo(100, 0);
  });

  test('may be high in the first third', () => {
    expect(growth({ lagChunks: (seconds) => (seconds < 1_200 ? 500 : 5) }).lagChunks).toBe(0);
  });

  test('that the log cannot say for most of a third is not known, and was to be judged', () => {
    const lagChunks = (seconds: number): number | null => (seconds < 2_700 ? 3 : null);
    const { tooShort, ...known } = growth({ lagChunks });
    expect(known.lagChunks).toBeUndefined();
    expect(tooShort).toEqual({});
    const rarely = (seconds: number): number | null => (seconds % 10 === 0 ? null : 3);
    expect(growth({ lagChunks: rarely }).lagChunks).toBe(0);
  });
});

describe('a load that is too small', () => {
  test.each<[string, Partial<Soak>, readonly string[]]>([
    ['an hour', {}, []],
    ['1,000,000 requests', { seconds: 1_700 }, []],
    ['less than 1,000,000 requests', { seconds: 1_600 }, ['rssGrowthPercent']],
    ['less than 600 s', { seconds: 500, perSecond: 5_000 }, ['rssGrowthPercent']],
    ['less than 200,000 requests', { seconds: 320 }, ['lagGrowthChunks', 'rssGrowthPercent']],
    [
      'less than 120 s',
      { seconds: 110, perSecond: 20_000 },
      ['lagGrowthChunks', 'rssGrowthPercent'],
    ],
  ])('%s: what is not judged', (_, changes, expected) => {
    const { tooShort, lagChunks, rssPercent } = growth(changes);
    expect(Object.keys(tooShort)).toEqual(expected);
    expect(lagChunks === undefined).toBe(expected.includes('lagGrowthChunks'));
    expect(rssPercent[0] === undefined).toBe(expected.includes('rssGrowthPercent'));
  });

  test('says how small it was', () => {
    const { tooShort } = growth({ seconds: 8, perSecond: 625 });
    expect(tooShort.lagGrowthChunks).toBe(
      '5,000 requests in 8 s, and it takes 200,000 requests in 120 s',
    );
  });

  test('of which no sample tells is something else: it was to be measured', () => {
    expect(growthOf([], [])).toEqual({ lagChunks: undefined, rssPercent: [], tooShort: {} });
    const untold = aSoak({}).map((each) => ({ ...each, requests: 0 }));
    expect(growthOf(untold, [false])).toMatchObject({ rssPercent: [undefined], tooShort: {} });
  });
});
