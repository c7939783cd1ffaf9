import { figuresOf } from './figures.js';
import type { Growth } from './growth.js';
import { lagOf, ProcessSum, readingIn, type Reading } from './sample-target.js';
import { aSummary } from './testing/a-summary.js';

const noGrowth: Growth = { lagChunks: undefined, rssPercent: [], tooShort: {} };
const aProcess = { name: 'sign', cpuSeconds: 0.1, maxRssMiB: 120, hasBegunAnew: false };
const aReading = (changes: Partial<Reading>): Reading => ({
  cpuSeconds: 1,
  rssBytes: 1,
  requests: 0,
  lags: new Map(),
  ...changes,
});

describe('the figures of a run', () => {
  test('from the first upload to the last batch complete, as a ratio to the limit', () => {
    const processes = [
      { ...aProcess, name: 'validate', cpuSeconds: 0.2, maxRssMiB: 140.5 },
      aProcess,
    ];
    const growth = { ...noGrowth, lagChunks: 1.26, rssPercent: [0.123, 1.987] };
    expect(figuresOf(aSummary(), { samples: [], processes }, growth, 4_000, 998)).toEqual({
      certificates: 2_002,
      certificatesPerSecond: 1_000,
      certificatesToLimit: 0.25,
      batchSeconds: 1.5,
      enrolmentP50Ms: 5,
      enrolmentP95Ms: 9.1,
      enrolmentP99Ms: 12,
      cpuMicroseconds: 100,
      maxRssMiB: 140.5,
      rssGrowthPercent: 1.99,
      lagGrowthChunks: 1.3,
    });
  });

  test('what was not measured is not there', () => {
    const nothing = { samples: [], processes: [] };
    expect(figuresOf({ metrics: {} }, nothing, noGrowth, undefined, 0)).toEqual({
      certificates: 0,
    });
    expect(figuresOf(aSummary(), nothing, noGrowth, undefined, 0)).not.toHaveProperty(
      'certificatesToLimit',
    );
  });

  test('memory of a process that is not known is not that of the others', () => {
    const usage = { samples: [], processes: [aProcess, aProcess] };
    const growth = { ...noGrowth, rssPercent: [0.5, undefined] };
    expect(figuresOf(aSummary(), usage, growth, undefined, 0)).not.toHaveProperty(
      'rssGrowthPercent',
    );
  });

  test.each([
    [
      '# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 5242880\nprocess_cpu_seconds_total 1.5\n',
      aReading({ rssBytes: 5_242_880, cpuSeconds: 1.5 }),
    ],
    [
      'process_resident_memory_bytes{role="sign"} 1e6\nprocess_cpu_seconds_total{role="sign"} 2\n',
      aReading({ rssBytes: 1_000_000, cpuSeconds: 2 }),
    ],
    [
      `process_resident_memory_bytes 1
process_cpu_seconds_total 1
certmill_ingest_requests_total{lane="bulk"} 500
certmill_ingest_requests_total{lane="interactive"} 7
certmill_log_lag_chunks{topic="a",group="validate"} 4
certmill_log_lag_chunks{topic="b",group="sign"} 0
`,
      aReading({
        requests: 507,
        lags: new Map([
          ['topic="a",group="validate"', 4],
          ['topic="b",group="sign"', 0],
        ]),
      }),
    ],
    ['process_cpu_seconds_total 5\n', undefined],
    ['nodejs_heap 5\n', undefined],
  ])('a process in its metrics: %j', (metrics, reading) => {
    expect(readingIn(metrics)).toEqual(reading);
  });

  test('the lag of a group is that of one process, however many tell it', () => {
    const lags = (...entries: [string, number][]) => aReading({ lags: new Map(entries) });
    expect(lagOf([lags(['validate', 4], ['sign', 2]), lags(['sign', 3]), lags()])).toBe(7);
    expect(lagOf([lags(), lags()])).toBeNull();
  });

  test('of a process: CPU from the first reading on, also over a restart, and the most memory', () => {
    const sum = new ProcessSum('sign');
    expect(sum.use).toBeUndefined();
    const mebibyte = 1_048_576;
    sum.add(aReading({ cpuSeconds: 10, rssBytes: 100 * mebibyte, requests: 50 }));
    sum.add(aReading({ cpuSeconds: 12, rssBytes: 300 * mebibyte, requests: 60 }));
    expect(sum.use?.hasBegunAnew).toBe(false);
    sum.add(undefined);
    sum.add(aReading({ cpuSeconds: 1, rssBytes: 50 * mebibyte, requests: 5 }));
    expect(sum.use).toEqual({
      name: 'sign',
      cpuSeconds: 3,
      maxRssMiB: 300,
      hasBegunAnew: true,
    });
    expect(sum.requests).toBe(15);
  });
});
