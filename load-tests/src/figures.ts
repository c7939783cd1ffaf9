import type { FigureName } from './figure-names.js';
import type { Growth } from './growth.js';
import type { K6Summary } from './k6.js';
import type { Usage } from './sample-target.js';

export type Figures = Readonly<Partial<Record<FigureName, number>>>;

/** In words, for reports. */
export const figureTexts: Readonly<Record<FigureName, string>> = {
  certificates: 'certificates issued',
  certificatesPerSecond: 'certificates a second, first upload to last batch complete',
  certificatesToLimit: '... as a ratio to what OpenSSL alone does here',
  batchSeconds: 'seconds of a batch, median',
  enrolmentP50Ms: 'an enrolment, median, ms',
  enrolmentP95Ms: '... p95, ms',
  enrolmentP99Ms: '... p99, ms',
  cpuMicroseconds: "CPU of the server's processes a certificate, us",
  maxRssMiB: "most memory of one of the server's processes, MiB",
  rssGrowthPercent: '... and what it grew by, % per million requests, after the first tenth',
  lagGrowthChunks: 'chunks waiting, mean of the last third less that of the second',
};

/** More is better; of all others less is. */
export const growing: ReadonlySet<FigureName> = new Set([
  'certificates',
  'certificatesPerSecond',
  'certificatesToLimit',
]);

/**
 * The figures of a run.
 * @param limit in certificates a second, undefined where it is not known.
 * @param warmUp certificates that do not count, and whose CPU time was measured.
 */
export function figuresOf(
  { metrics }: K6Summary,
  { processes }: Usage,
  growth: Growth,
  limit: number | undefined,
  warmUp: number,
): Figures {
  const value = (metric: string, name: string): number | undefined => metrics[metric]?.values[name];
  const batch = value('certmill_batch_certificates', 'count');
  const single = value('certmill_single_certificates', 'count');
  const begin = value('certmill_batch_begin', 'min');
  const end = value('certmill_batch_end', 'max');
  const perSecond =
    batch === undefined || begin === undefined || end === undefined || end <= begin
      ? undefined
      : batch / ((end - begin) / 1_000);
  const batchMs = value('certmill_batch_ms', 'med');
  const certificates = (batch ?? 0) + (single ?? 0);
  const cpuSeconds = processes.reduce((sum, each) => sum + each.cpuSeconds, 0);
  return known({
    certificates,
    certificatesPerSecond: rounded(perSecond, 0),
    certificatesToLimit:
      perSecond === undefined || limit === undefined ? undefined : rounded(perSecond / limit, 3),
    batchSeconds: batchMs === undefined ? undefined : rounded(batchMs / 1_000, 2),
    enrolmentP50Ms: rounded(value('certmill_enrolment_ms', 'med'), 1),
    enrolmentP95Ms: rounded(value('certmill_enrolment_ms', 'p(95)'), 1),
    enrolmentP99Ms: rounded(value('certmill_enrolment_ms', 'p(99)'), 1),
    cpuMicroseconds:
      processes.length === 0 || certificates === 0
        ? undefined
        : rounded((cpuSeconds * 1e6) / (certificates + warmUp), 1),
    maxRssMiB:
      processes.length === 0 ? undefined : Math.max(...processes.map((each) => each.maxRssMiB)),
    rssGrowthPercent: rounded(mostOf(growth.rssPercent), 2),
    lagGrowthChunks: rounded(growth.lagChunks, 1),
  });
}

/** Of all processes; undefined where it is not known of one. */
function mostOf(values: readonly (number | undefined)[]): number | undefined {
  const known = values.flatMap((value) => value ?? []);
  return known.length === 0 || known.length < values.length ? undefined : Math.max(...known);
}

function known(figures: Record<FigureName, number | undefined>): Figures {
  return Object.fromEntries(Object.entries(figures).filter(([, value]) => value !== undefined));
}

function rounded(value: number | undefined, digits: number): number | undefined {
  return value === undefined ? undefined : Number(value.toFixed(digits));
}
