import { Histogram, type Registry } from 'prom-client';

/** Of one series: what was counted elsewhere. */
export interface BucketCounts {
  readonly labels: Readonly<Record<string, string>>;
  readonly sumSeconds: number;
  /** Per bucket, not cumulated, the last one for what is above all bounds. */
  readonly counts: readonly number[];
}

export interface CountedHistogramOptions {
  readonly name: string;
  readonly help: string;
  readonly bounds: readonly number[];
  readonly read: () => readonly BucketCounts[];
}

/** A histogram whose buckets are counted elsewhere, e.g. in worker threads, and read when scraped. */
export function registerHistogram(registry: Registry, options: CountedHistogramOptions): void {
  const { name, help, bounds, read } = options;
  const histogram = new Histogram({ name, help, registers: [registry] });
  // What prom-client 15 asks a histogram for its lines by; its own have no way to set counts.
  Object.assign(histogram, {
    getForPromString: () => ({
      name,
      help,
      type: 'histogram',
      values: read().flatMap((series) => linesOf(name, bounds, series)),
    }),
  });
}

function linesOf(
  name: string,
  bounds: readonly number[],
  { labels, counts, sumSeconds }: BucketCounts,
): readonly object[] {
  let total = 0;
  const buckets = counts.map((count, i) => {
    total += count;
    return {
      metricName: `${name}_bucket`,
      labels: { ...labels, le: bounds[i] ?? '+Inf' },
      value: total,
    };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sumSeconds },
    { metricName: `${name}_count`, labels, value: total },
  ];
}
