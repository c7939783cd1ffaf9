import { latencyBoundsSeconds, UsageMeter } from './slot-usage.js';

describe('UsageMeter', () => {
  it.each([
    [0, 0],
    [0.000_025, 0],
    [0.000_026, 1],
    [0.001, 5],
    [2.5, latencyBoundsSeconds.length - 1],
    [2.6, latencyBoundsSeconds.length],
    [3_600, latencyBoundsSeconds.length],
  ])('counts a signature of %d s in bucket %d', (seconds, bucket) => {
    const meter = new UsageMeter();
    meter.noteSignature(seconds);
    const { counts, sumSeconds } = meter.usage.latency;
    expect(counts.findIndex((count) => count > 0)).toBe(bucket);
    expect(counts).toHaveLength(latencyBoundsSeconds.length + 1);
    expect(sumSeconds).toBe(seconds);
  });

  it('hands on what came together since it was asked last, and nothing twice', () => {
    const worker = new UsageMeter();
    const pool = new UsageMeter();
    for (const chunkSeconds of [1, 2]) {
      worker.noteSignature(0.5);
      worker.noteSignature(0.25);
      worker.noteChunk(chunkSeconds, 1);
      pool.add(worker.take());
    }
    pool.add(worker.take());
    expect(pool.usage).toMatchObject({ signatures: 4, busySeconds: 3, repairs: 2 });
    expect(pool.usage.latency.sumSeconds).toBe(1.5);
  });
});
