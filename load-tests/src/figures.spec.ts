import { figuresOf } from './figures.js';
import { ProcessSum, readingIn } from './sample-target.js';
import { aSummary } from './testing/a-summary.js';

describe('the figures of a run', () => {
  test('from the first upload to the last batch complete, as a ratio to the limit', () => {
    const processes = [
      { name: 'validate', cpuSeconds: 0.2, maxRssMiB: 140.5 },
      { name: 'sign', cpuSeconds: 0.1, maxRssMiB: 120 },
    ];
    expect(figuresOf(aSummary(), { samples: [], processes }, 4_000, 998)).toEqual({
      certificates: 2_002,
      certificatesPerSecond: 1_000,
      certificatesToLimit: 0.25,
      batchSeconds: 1.5,
      enrolmentP50Ms: 5,
      enrolmentP95Ms: 9.1,
      enrolmentP99Ms: 12,
      cpuMicroseconds: 100,
      maxRssMiB: 140.5,
    });
  });

  test('what was not measured is not there', () => {
    const nothing = { samples: [], processes: [] };
    expect(figuresOf({ metrics: {} }, nothing, undefined, 0)).toEqual({ certificates: 0 });
    expect(figuresOf(aSummary(), nothing, undefined, 0)).not.toHaveProperty('certificatesToLimit');
  });

  test.each([
    [
      '# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 5242880\nprocess_cpu_seconds_total 1.5\n',
      { rssBytes: 5_242_880, cpuSeconds: 1.5 },
    ],
    [
      'process_resident_memory_bytes{role="sign"} 1e6\nprocess_cpu_seconds_total{role="sign"} 2\n',
      { rssBytes: 1_000_000, cpuSeconds: 2 },
    ],
    ['process_cpu_seconds_total 5\n', undefined],
    ['nodejs_heap 5\n', undefined],
  ])('a process in its metrics: %j', (metrics, reading) => {
    expect(readingIn(metrics)).toEqual(reading);
  });

  test('of a process: CPU from the first reading on, also over a restart, and the most memory', () => {
    const sum = new ProcessSum('sign');
    expect(sum.use).toBeUndefined();
    const mebibyte = 1_048_576;
    sum.add({ cpuSeconds: 10, rssBytes: 100 * mebibyte });
    sum.add({ cpuSeconds: 12, rssBytes: 300 * mebibyte });
    sum.add(undefined);
    sum.add({ cpuSeconds: 1, rssBytes: 50 * mebibyte });
    expect(sum.use).toEqual({ name: 'sign', cpuSeconds: 3, maxRssMiB: 300 });
  });
});
