import { figureNames } from './figure-names.js';
import { figureTexts } from './figures.js';
import type { LoadReport } from './report.js';

/** What a terminal gets: figures, and every threshold with its outcome. */
export function summaryText(report: LoadReport): string {
  const lines = report.scenarios.flatMap((each) => [
    '',
    `${each.scenario} (OpenSSL alone ${each.limitsPerSecond.join(', ') || 'not measured'}/s)`,
    ...(each.isDisturbed ? ['  the machine had other work: these figures say little'] : []),
    ...figureNames.flatMap((name) => {
      const value = each.figures[name];
      return value === undefined ? [] : [`  ${String(value).padStart(10)}  ${figureTexts[name]}`];
    }),
    ...each.processes.map(
      ({ name, cpuSeconds, maxRssMiB }) =>
        `  ${cpuSeconds.toFixed(1).padStart(10)}  s of CPU, ${maxRssMiB.toFixed(0)} MiB: ${name}`,
    ),
    ...each.judgements.map(
      ({ what, wanted, got, verdict }) =>
        `  ${(verdict === 'missed' ? 'MISSED' : verdict).padEnd(10)}  ${what} ${wanted}: ${got}`,
    ),
  ]);
  const isAllJudged = report.scenarios.every(({ judgements }) =>
    judgements.every(({ verdict }) => verdict !== 'not judged'),
  );
  const kept = `all thresholds${isAllJudged ? '' : ' that were judged'} are kept`;
  return [...lines, '', report.isKept ? kept : 'THRESHOLDS WERE MISSED', ''].join('\n');
}
