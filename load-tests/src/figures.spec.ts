import { figuresOf } from './figures.js';
import { residentBytesIn } from './sample-target.js';
import { aSummary } from './testing/a-summary.js';

describe('the figures of a run', () => {
  test('from the first upload to the last batch complete, as a ratio to the limit', () => {
    const samples = [100, 140.5, 120].map((rssMiB, atSeconds) => ({ atSeconds, rssMiB }));
    expect(figuresOf(aSummary(), samples, 4_000)).toEqual({
      certificates: 2_002,
      certificatesPerSecond: 1_000,
      certificatesToLimit: 0.25,
      batchSeconds: 1.5,
      enrolmentP50Ms: 5,
      enrolmentP95Ms: 9.1,
      enrolmentP99Ms: 12,
      maxRssMiB: 140.5,
    });
  });

  test('what was not measured is not there', () => {
    expect(figuresOf({ metrics: {} }, [], undefined)).toEqual({ certificates: 0 });
    expect(figuresOf(aSummary(), [], undefined)).not.toHaveProperty('certificatesToLimit');
  });

  test.each([
    [
      '# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 5242880\n',
      5_242_880,
    ],
    ['process_resident_memory_bytes{role="sign"} 1e6\n', 1_000_000],
    ['nodejs_heap 5\n', undefined],
  ])('memory in metrics: %j', (metrics, bytes) => {
    expect(residentBytesIn(metrics)).toBe(bytes);
  });
});
