import type { FigureName } from './figure-names.js';
import type { Sample } from './sample-target.js';

/** What grew while a steady load went on. */
export interface Growth {
  /** Mean lag of the last third less that of the second, in chunks; undefined where it is not known. */
  readonly lagChunks: number | undefined;
  /** Of each process, in per cent of its memory per million requests; undefined where it is not known. */
  readonly rssPercent: readonly (number | undefined)[];
  /** Why a figure says nothing: the load was too small for it. */
  readonly tooShort: Readonly<Partial<Record<FigureName, string>>>;
}

interface Least {
  readonly seconds: number;
  readonly requests: number;
}

/** Batches come in intervals: a third of less than this has too few of them. */
const leastForLag: Least = { seconds: 120, requests: 200_000 };
/** The sawtooth of a garbage collector is steeper than the bound over less than this. */
const leastForRss: Least = { seconds: 600, requests: 1_000_000 };
/** The beginning, in which caches fill and code is compiled, says nothing. */
const settlingShare = 0.1;

/** @param hasBegunAnew by process: the memory of one that was started again says nothing. */
export function growthOf(samples: readonly Sample[], hasBegunAnew: readonly boolean[]): Growth {
  const load = underLoad(samples);
  const first = load.at(0);
  const last = load.at(-1);
  const seconds = (last?.atSeconds ?? 0) - (first?.atSeconds ?? 0);
  const requests = (last?.requests ?? 0) - (first?.requests ?? 0);
  const from = (share: number): number => (first?.atSeconds ?? 0) + share * seconds;
  // Where nothing is known of the load, it was to be measured: that is not a short one.
  const isKnown = load.length > 0;
  const lagShort = isKnown ? shortOf(leastForLag, seconds, requests) : undefined;
  const rssShort = isKnown ? shortOf(leastForRss, seconds, requests) : undefined;
  const settled = load.filter(({ atSeconds }) => atSeconds >= from(settlingShare));
  return {
    lagChunks: lagShort === undefined ? lagGrowth(load, from(1 / 3), from(2 / 3)) : undefined,
    rssPercent: hasBegunAnew.map((isNew, i) =>
      rssShort === undefined && !isNew ? rssGrowth(settled, i) : undefined,
    ),
    tooShort: {
      ...(lagShort === undefined ? {} : { lagGrowthChunks: lagShort }),
      ...(rssShort === undefined ? {} : { rssGrowthPercent: rssShort }),
    },
  };
}

/** From the last sample before the first request until the first one after the last. */
function underLoad(samples: readonly Sample[]): readonly Sample[] {
  const before = samples.at(0)?.requests;
  const after = samples.at(-1)?.requests;
  const begin = samples.findLastIndex(({ requests }) => requests === before);
  const end = samples.findIndex(({ requests }) => requests === after);
  return begin < end ? samples.slice(begin, end + 1) : [];
}

function shortOf(least: Least, seconds: number, requests: number): string | undefined {
  if (seconds >= least.seconds && requests >= least.requests) return undefined;
  const amount = (of: Least): string =>
    `${of.requests.toLocaleString('en')} requests in ${of.seconds.toFixed(0)} s`;
  return `${amount({ seconds, requests })}, and it takes ${amount(least)}`;
}

/** Means, for lag comes and goes with each batch; the first third is left out with its start. */
function lagGrowth(
  load: readonly Sample[],
  secondThird: number,
  lastThird: number,
): number | undefined {
  const second = load.filter((each) => each.atSeconds >= secondThird && each.atSeconds < lastThird);
  const last = load.filter((each) => each.atSeconds >= lastThird);
  const [before, after] = [meanLag(second), meanLag(last)];
  return before === undefined || after === undefined ? undefined : after - before;
}

/** Undefined where most samples do not know it. */
function meanLag(samples: readonly Sample[]): number | undefined {
  const known = samples.flatMap(({ lagChunks }) => lagChunks ?? []);
  return known.length * 2 <= samples.length ? undefined : mean(known);
}

/** The slope of a line through all samples, by least squares. */
function rssGrowth(settled: readonly Sample[], process: number): number | undefined {
  const points = settled.flatMap(({ requests, processRssMiB }) => {
    const rssMiB = processRssMiB[process];
    return rssMiB === undefined ? [] : [{ millions: requests / 1e6, rssMiB }];
  });
  const millions = mean(points.map((each) => each.millions));
  const rssMiB = mean(points.map((each) => each.rssMiB));
  const sumOf = (of: (each: (typeof points)[number]) => number): number =>
    points.reduce((sum, each) => sum + of(each), 0);
  const spread = sumOf((each) => (each.millions - millions) ** 2);
  const common = sumOf((each) => (each.millions - millions) * (each.rssMiB - rssMiB));
  return spread === 0 || rssMiB === 0 ? undefined : ((common / spread) * 100) / rssMiB;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
