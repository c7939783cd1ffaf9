import { randomBytes } from 'node:crypto';
import { basename, dirname } from 'node:path';
import { measureLimit } from 'certmill-cli/load';
import { baselineFile, compare, readBaseline, saveBaseline } from './baseline.js';
import { deviceData } from './device-data.js';
import { figuresOf } from './figures.js';
import { growthOf } from './growth.js';
import { runK6 } from './k6.js';
import { describeMachine, isDisturbed, type Machine } from './machine.js';
import type { LoadOptions } from './options.js';
import type { LoadReport, ScenarioReport } from './report.js';
import { sampleTarget } from './sample-target.js';
import { sizeOf, type ScenarioName, type Size } from './scenarios.js';
import type { DeviceData, LoadSettings } from './settings.js';
import type { LoadTarget } from './target.js';
import { isAllKept, judge, readThresholds } from './thresholds.js';

export interface LoadRun {
  readonly options: LoadOptions;
  readonly k6: string;
  /** Where devices are kept from run to run. */
  readonly cache: string;
  readonly openTarget: () => Promise<LoadTarget>;
  /** One for all scenarios; else each gets a new one. */
  readonly sharesTarget: boolean;
  readonly signal: AbortSignal;
  readonly onStep: (step: string) => void;
}

/** The most single enrolments that one data set is made for; further tenants use it again. */
const mostSingles = 20_000;
const limitSeconds = { short: 1, full: 3 } as const;

/** Runs the scenarios one after the other. */
export async function runLoad(run: LoadRun): Promise<LoadReport> {
  const { options } = run;
  const startedAt = new Date().toISOString();
  const reports: ScenarioReport[] = [];
  let machine = describeMachine(undefined);
  let description = '';
  const { scenarios } = options;
  for (const group of run.sharesTarget ? [scenarios] : scenarios.map((each) => [each])) {
    run.onStep(`${group.join(', ')}: getting a server`);
    const target = await run.openTarget();
    ({ description } = target);
    try {
      for (const scenario of group) {
        const { report, openssl } = await runScenario(run, scenario, target, machine);
        reports.push(report);
        machine = { ...machine, openssl };
      }
    } finally {
      await target.stop();
    }
  }
  return {
    startedAt,
    target: description,
    machine,
    isShort: options.isShort,
    isKept: reports.every(({ judgements }) => isAllKept(judgements)),
    scenarios: reports,
  };
}

async function runScenario(
  run: LoadRun,
  scenario: ScenarioName,
  target: LoadTarget,
  machine: Machine,
): Promise<{ readonly report: ScenarioReport; readonly openssl: string | null }> {
  const { options, onStep } = run;
  const size = sizeOf(scenario, options.isShort, options.changes);
  const thresholds = readThresholds(scenario, target.kind, options.isShort);
  const devices = await makeReady(run, size);
  const seconds = limitSeconds[options.isShort ? 'short' : 'full'];
  onStep(`${scenario}: measuring what OpenSSL alone does`);
  const before = await measureLimit(seconds);

  onStep(`${scenario}: running`);
  const sampling = sampleTarget(target.processes, target.key);
  const summary = await runK6(
    run.k6,
    scenario,
    { ...settingsOf(target, size, devices), thresholds: thresholds.k6 },
    run.signal,
  ).finally(() => sampling.stop());
  const usage = await sampling.stop();

  // A short run judges no ratio strictly, and has no time to lose.
  const after = options.isShort ? undefined : await measureLimit(seconds);
  const limits = [before, after].flatMap((limit) => limit ?? []);
  const perSecond = limits.map((limit) => Math.round(limit.certificatesPerSecond));
  const limit = perSecond.length === 0 ? undefined : Math.max(...perSecond);
  const { samples, processes } = usage;
  const growth = growthOf(
    samples,
    processes.map(({ hasBegunAnew }) => hasBegunAnew),
  );
  const figures = figuresOf(summary, usage, growth, limit, size.warmUp);
  const openssl = limits[0]?.version ?? null;
  const disturbed = isDisturbed(machine, perSecond);
  const file = baselineFile(machine, target.kind, scenario);
  const about = { size, target: target.description };
  const baseline = options.isShort ? undefined : readBaseline(file, about);
  const judgements = [
    ...judge(thresholds, summary, figures, growth.tooShort),
    ...(baseline === undefined ? [] : compare(figures, baseline, thresholds.tolerances)),
  ];
  if (options.savesBaseline && !options.isShort) {
    if (disturbed) onStep(`${scenario}: no baseline, for the machine has other work`);
    else saveBaseline(file, { machine: { ...machine, openssl }, ...about, figures });
  }
  return {
    openssl,
    report: {
      scenario,
      size,
      limitsPerSecond: perSecond,
      isDisturbed: disturbed,
      figures,
      judgements,
      baseline: baseline === undefined ? null : `${basename(dirname(file))}/${basename(file)}`,
      samples,
      processes: processes.map((each, i) => ({
        ...each,
        rssGrowthPercent: growth.rssPercent[i] ?? null,
      })),
    },
  };
}

interface Devices {
  readonly batch: DeviceData;
  readonly warmUp: DeviceData | null;
  readonly singles: DeviceData;
}

const none: DeviceData = { requests: '', allowList: '', count: 0 };

async function makeReady({ cache, onStep }: LoadRun, size: Size): Promise<Devices> {
  const made = async (count: number): Promise<DeviceData> => {
    if (count === 0) return none;
    return deviceData(cache, count, (done) => {
      if (done % 10_000 === 0) onStep(`making devices: ${String(done)} of ${String(count)}`);
    });
  };
  return {
    batch: await made(size.size),
    warmUp: size.warmUp === 0 ? null : await made(size.warmUp),
    singles: await made(size.rate === 0 ? 0 : Math.min(mostSingles, size.rate * size.seconds)),
  };
}

function settingsOf(
  target: LoadTarget,
  size: Size,
  devices: Devices,
): Omit<LoadSettings, 'summaryFile' | 'thresholds'> {
  return {
    url: target.url,
    key: target.key,
    runId: randomBytes(5).toString('hex'),
    ...devices,
    tenants: size.tenants,
    batches: size.batches,
    rate: size.rate,
    seconds: size.seconds,
  };
}
