import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FigureName } from './figure-names.js';
import type { Figures } from './figures.js';
import type { K6Summary } from './k6.js';
import type { ScenarioName } from './scenarios.js';
import type { TargetKind } from './target.js';

/** What a scenario must reach: the files of load-tests/thresholds. */
export interface Thresholds {
  /** In k6's own form, judged by k6. */
  readonly k6: Readonly<Record<string, readonly string[]>>;
  readonly figures: Readonly<Partial<Record<FigureName, Bounds>>>;
  /** How much worse than its baseline a figure may be, as a part of it. */
  readonly tolerances: Readonly<Partial<Record<FigureName, number>>>;
}

export interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

/** What is otherwise for a kind of run. */
type Changes = Partial<Pick<Thresholds, 'k6' | 'figures'>>;

interface ThresholdFile extends Thresholds {
  readonly short: Changes;
  readonly fleet: Changes & { readonly short: Changes };
}

export type Verdict = 'kept' | 'missed' | 'not judged';

/** One thing that was to be reached, and whether it was. */
export interface Judgement {
  readonly what: string;
  readonly wanted: string;
  readonly got: string;
  readonly verdict: Verdict;
}

const folder = join(import.meta.dirname, '../thresholds');

export function readThresholds(
  scenario: ScenarioName,
  kind: TargetKind,
  isShort: boolean,
): Thresholds {
  const text = readFileSync(join(folder, `${scenario}.json`), 'utf8');
  const { short, fleet, ...full } = JSON.parse(text) as ThresholdFile;
  const ofKind = kind === 'fleet' ? [fleet] : [];
  const ofShort = isShort ? [short, ...ofKind.map((each) => each.short)] : [];
  const changes = [...ofKind, ...ofShort];
  return {
    k6: Object.assign({}, full.k6, ...changes.map(({ k6 }) => k6)) as Thresholds['k6'],
    figures: Object.assign(
      {},
      full.figures,
      ...changes.map(({ figures }) => figures),
    ) as Thresholds['figures'],
    // A short run says nothing that could be compared.
    tolerances: isShort ? {} : full.tolerances,
  };
}

/**
 * k6's judgements and ours; a figure that is to be judged and is not there is missed.
 * @param tooShort figures that a run of this size says nothing about, and why: they are not judged.
 */
export function judge(
  thresholds: Thresholds,
  summary: K6Summary,
  figures: Figures,
  tooShort: Readonly<Partial<Record<FigureName, string>>>,
): readonly Judgement[] {
  const byK6 = Object.entries(thresholds.k6).flatMap(([metric, expressions]) =>
    expressions.map((wanted) => {
      const found = summary.metrics[metric];
      return {
        what: metric,
        wanted,
        got: found === undefined ? 'nothing' : valueIn(found.values, wanted),
        verdict: verdictOf(found?.thresholds?.[wanted]?.ok === true),
      };
    }),
  );
  const byFigure = Object.entries(thresholds.figures).map(([name, bounds]) =>
    judgeFigure(name, bounds, figures[name as FigureName], tooShort[name as FigureName]),
  );
  return [accountFor(summary), ...byK6, ...byFigure];
}

/** Each iteration ends with its certificates: one that broke off has failed no check. */
function accountFor({ metrics }: K6Summary): Judgement {
  const count = (metric: string): number => metrics[metric]?.values['count'] ?? 0;
  const begun = count('iterations');
  const ended = count('certmill_single_certificates') + count('certmill_batches_complete');
  return {
    what: 'enrolments and batches that ended with all their certificates',
    wanted: `all ${String(begun)}`,
    got: String(ended),
    verdict: verdictOf(begun > 0 && ended === begun),
  };
}

function judgeFigure(
  what: string,
  { min, max }: Bounds,
  value: number | undefined,
  tooShort: string | undefined,
): Judgement {
  const wanted = [
    ...(min === undefined ? [] : [`>= ${String(min)}`]),
    ...(max === undefined ? [] : [`<= ${String(max)}`]),
  ].join(', ');
  if (tooShort !== undefined) return { what, wanted, got: tooShort, verdict: 'not judged' };
  const isKept = value !== undefined && value >= (min ?? -Infinity) && value <= (max ?? Infinity);
  const got = value === undefined ? 'nothing' : String(value);
  return { what, wanted, got, verdict: verdictOf(isKept) };
}

export function verdictOf(isKept: boolean): Verdict {
  return isKept ? 'kept' : 'missed';
}

/** Nothing was missed; what was not judged is no reason to fail. */
export function isAllKept(judgements: readonly Judgement[]): boolean {
  return judgements.every(({ verdict }) => verdict !== 'missed');
}

/** The value that an expression is about: `p(95)<50` -> the 95th percentile. */
function valueIn(values: Readonly<Record<string, number>>, expression: string): string {
  const name = /^[a-z]+(?:\(\d+\))?/.exec(expression)?.[0] ?? '';
  const value = values[name];
  return value === undefined ? 'nothing' : String(Math.round(value * 1_000) / 1_000);
}
