import type { Figures } from './figures.js';
import type { Machine } from './machine.js';
import type { ProcessUse, Sample } from './sample-target.js';
import type { ScenarioName, Size } from './scenarios.js';
import type { Judgement } from './thresholds.js';

/** What a process took, and how its memory grew, in per cent per million requests; null: not judged. */
export interface ProcessReport extends ProcessUse {
  readonly rssGrowthPercent: number | null;
}

/** One scenario of a run. */
export interface ScenarioReport {
  readonly scenario: ScenarioName;
  readonly size: Size;
  /** OpenSSL alone, in certificates a second: before and after (short: before), the higher one counts. */
  readonly limitsPerSecond: readonly number[];
  /** The machine had other work: the figures say little. */
  readonly isDisturbed: boolean;
  readonly figures: Figures;
  readonly judgements: readonly Judgement[];
  /** The name of the machine's baseline that it was compared with, null where there was none. */
  readonly baseline: string | null;
  readonly samples: readonly Sample[];
  readonly processes: readonly ProcessReport[];
}

/** What the JSON file holds and the page shows. */
export interface LoadReport {
  readonly startedAt: string;
  readonly target: string;
  readonly machine: Machine;
  readonly isShort: boolean;
  readonly isKept: boolean;
  readonly scenarios: readonly ScenarioReport[];
}
