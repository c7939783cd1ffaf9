import { figureNames } from './figure-names.js';
import { figureTexts, type Figures } from './figures.js';
import type { LoadReport, ProcessReport, ScenarioReport } from './report.js';
import type { Sample } from './sample-target.js';
import { isAllKept, verdictOf, type Judgement, type Verdict } from './thresholds.js';

const sizeNames = ['size', 'tenants', 'batches', 'rate', 'seconds', 'warmUp'] as const;
const width = 720;
const height = 160;

const style = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 780px; margin: 2rem auto; padding: 0 1rem;
  color-scheme: light dark; }
h2 { margin-top: 2.5rem; border-top: 1px solid #8886; padding-top: 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { padding: .2rem 1rem .2rem 0; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.kept { color: #2a8a3e; } .missed { color: #c62f2f; font-weight: 600; }
.open { opacity: .8; }
svg { background: #8881; width: 100%; }
figcaption { font-size: .9em; opacity: .8; }`;

/** The report as one page that needs nothing else. */
export function reportHtml(report: LoadReport): string {
  const { machine } = report;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Certmill load test</title>
<meta name="viewport" content="width=device-width"><style>${style}</style></head>
<body><h1>Certmill load test: ${verdictHtml(verdictOf(report.isKept))}</h1>
<p>${text(report.target)}, ${text(report.startedAt)}${report.isShort ? ', short: that it runs, not how fast' : ''}.</p>
<p>${text(machine.model)}, ${String(machine.cores)} cores, ${String(machine.memoryGiB)} GiB,
Node ${text(machine.node)}, ${text(machine.openssl ?? 'no openssl to compare with')},
load before ${String(machine.loadBefore)}. k6 and the server share these cores.</p>
${report.scenarios.map(scenarioHtml).join('\n')}
</body></html>
`;
}

function scenarioHtml(each: ScenarioReport): string {
  const size = sizeNames
    .filter((name) => each.size[name] > 0)
    .map((name) => `${name} ${each.size[name].toLocaleString('en')}`)
    .join(', ');
  const limits = each.limitsPerSecond.map((limit) => limit.toLocaleString('en')).join(' and ');
  return `<h2>${each.scenario}: ${verdictHtml(verdictOf(isAllKept(each.judgements)))}</h2>
<p>${text(size)}. OpenSSL alone: ${limits === '' ? 'not measured' : `${limits} certificates a second`}.
${each.baseline === null ? 'There is no baseline of this size for this machine.' : `Compared with ${text(each.baseline)}.`}
${each.isDisturbed ? 'The machine had other work: these figures say little.' : ''}</p>
${figuresHtml(each.figures)}
${judgementsHtml(each.judgements)}
${processesHtml(each.processes)}
${memoryHtml(each.samples, each.processes)}
${lagHtml(each.samples)}`;
}

function figuresHtml(figures: Figures): string {
  const rows = figureNames.flatMap((name) => {
    const value = figures[name];
    if (value === undefined) return [];
    const shown = value.toLocaleString('en', { maximumFractionDigits: 3 });
    return [`<tr><td>${text(figureTexts[name])}</td><td class="number">${shown}</td></tr>`];
  });
  return `<table>${rows.join('')}</table>`;
}

function judgementsHtml(judgements: readonly Judgement[]): string {
  const rows = judgements.map(
    ({ what, wanted, got, verdict }) =>
      `<tr><td>${text(what)}</td><td>${text(wanted)}</td><td>${text(got)}</td><td>${verdictHtml(verdict)}</td></tr>`,
  );
  return `<h3>Thresholds</h3>
<table><tr><th>what</th><th>wanted</th><th>got</th><th></th></tr>${rows.join('')}</table>`;
}

function processesHtml(processes: readonly ProcessReport[]): string {
  const rows = processes.map(
    ({ name, cpuSeconds, maxRssMiB, rssGrowthPercent }) =>
      `<tr><td>${text(name)}</td><td class="number">${cpuSeconds.toFixed(1)}</td><td class="number">${maxRssMiB.toFixed(0)}</td><td class="number">${rssGrowthPercent?.toFixed(2) ?? 'not judged'}</td></tr>`,
  );
  return `<h3>Processes</h3>
<table><tr><th>name</th><th>CPU, seconds</th><th>most memory, MiB</th><th>growth, % per million requests</th></tr>${rows.join('')}</table>`;
}

function memoryHtml(samples: readonly Sample[], processes: readonly ProcessReport[]): string {
  const curves = processes.map(({ name }, i) => ({
    name,
    values: samples.map(({ processRssMiB }) => processRssMiB[i] ?? 0),
  }));
  return chartHtml('Memory of each process', 'MiB', samples, curves);
}

function lagHtml(samples: readonly Sample[]): string {
  const known = samples.filter(({ lagChunks }) => lagChunks !== null);
  const values = known.map(({ lagChunks }) => lagChunks ?? 0);
  return chartHtml('Chunks that wait', 'chunks', known, [{ name: 'of all stages', values }]);
}

/** Values over time, each curve with its name where the pointer is on it. */
function chartHtml(
  title: string,
  unit: string,
  samples: readonly Sample[],
  curves: readonly { readonly name: string; readonly values: readonly number[] }[],
): string {
  const last = samples.at(-1);
  if (last === undefined || samples.length < 2) return '';
  const top = curves.reduce((most, { values }) => values.reduce((a, b) => Math.max(a, b), most), 0);
  const lines = curves.map(({ name, values }) => {
    const points = values.map((value, i) => {
      const x = ((samples[i]?.atSeconds ?? 0) / last.atSeconds) * width;
      return `${x.toFixed(1)},${(height - (value / Math.max(1, top)) * (height - 5)).toFixed(1)}`;
    });
    return `<polyline points="${points.join(' ')}" fill="none" stroke="currentColor" stroke-width="1.5"><title>${text(name)}</title></polyline>`;
  });
  return `<h3>${title}</h3>
<figure><svg viewBox="0 0 ${String(width)} ${String(height)}" role="img"><title>${title} over time</title>
${lines.join('\n')}</svg>
<figcaption>0 to ${top.toFixed(0)} ${unit}, 0 to ${last.atSeconds.toFixed(0)} s</figcaption></figure>`;
}

function verdictHtml(verdict: Verdict): string {
  const style = verdict === 'not judged' ? 'open' : verdict;
  return `<span class="${style}">${verdict}</span>`;
}

function text(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
