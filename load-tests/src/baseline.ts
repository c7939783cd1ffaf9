import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { FigureName } from './figure-names.js';
import { growing, type Figures } from './figures.js';
import { machineName, type Machine } from './machine.js';
import type { ScenarioName, Size } from './scenarios.js';
import type { TargetKind } from './target.js';
import { verdictOf, type Judgement, type Thresholds } from './thresholds.js';

/** A run that later ones of the same size on a machine of the same kind are compared with. */
export interface Baseline {
  readonly machine: Machine;
  readonly target: string;
  readonly size: Size;
  readonly figures: Figures;
}

const folder = join(import.meta.dirname, '../baselines');

export function baselineFile(machine: Machine, kind: TargetKind, scenario: ScenarioName): string {
  const name = kind === 'fleet' ? `fleet-${scenario}` : scenario;
  return join(folder, machineName(machine), `${name}.json`);
}

/** Undefined where there is none that this run could be compared with. */
export function readBaseline(
  file: string,
  run: { readonly size: Size; readonly target: string },
): Baseline | undefined {
  if (!existsSync(file)) return undefined;
  const baseline = JSON.parse(readFileSync(file, 'utf8')) as Baseline;
  const isAlike =
    baseline.target === run.target && JSON.stringify(baseline.size) === JSON.stringify(run.size);
  return isAlike ? baseline : undefined;
}

export function saveBaseline(file: string, baseline: Baseline): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(baseline, undefined, 2)}\n`);
}

/** A figure may be better, or worse by its tolerance. */
export function compare(
  figures: Figures,
  baseline: Baseline,
  tolerances: Thresholds['tolerances'],
): readonly Judgement[] {
  return Object.entries(tolerances).flatMap(([key, tolerance]) => {
    const name = key as FigureName;
    const before = baseline.figures[name];
    if (before === undefined) return [];
    const now = figures[name];
    const isGrowing = growing.has(name);
    const bound = Number((before * (isGrowing ? 1 - tolerance : 1 + tolerance)).toFixed(3));
    const isKept = now !== undefined && (isGrowing ? now >= bound : now <= bound);
    const sign = isGrowing ? '>=' : '<=';
    return [
      {
        what: `${name} against the baseline`,
        wanted: `${sign} ${String(bound)} (was ${String(before)})`,
        got: now === undefined ? 'nothing' : String(now),
        verdict: verdictOf(isKept),
      },
    ];
  });
}
