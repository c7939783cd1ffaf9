import type { BenchReport, BenchSample } from './run-bench.js';

const width = 720;
const height = 180;

/** The report as one self-contained page: figures, rate and memory over time. */
export function benchHtml(report: BenchReport): string {
  const { samples } = report;
  const rates = samples.map((_, i) => rateAt(samples, i));
  const rss = samples.map((sample) => sample.rssBytes / (1024 * 1024));
  const rows = report.stages
    .map(
      ({ name, cpuMicroseconds }) =>
        `<tr><td>${name}</td><td>${cpuMicroseconds.toFixed(1)}</td></tr>`,
    )
    .join('');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>certmill bench</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:760px;margin:2rem auto;padding:0 1rem}td,th{padding:.1rem 1rem .1rem 0;text-align:left}svg{background:#8881;width:100%}</style></head>
<body><h1>certmill bench</h1>
<p>${String(report.requests)} requests, ${String(report.devices)} devices on the allow-list:
<b>${String(report.endToEndPerSecond)}/s</b> end to end${report.ratio === null ? ' (no openssl, no limit to compare with)' : ` = <b>${(report.ratio * 100).toFixed(1)} %</b> of the limit of ${String(report.limitPerSecond)}/s`}.</p>
<table><tr><th>stage</th><th>CPU us per certificate</th></tr>${rows}<tr><td>whole process</td><td>${report.processCpuMicroseconds.toFixed(1)}</td></tr></table>
<h2>Certificates a second</h2>${curve(samples, rates)}
<h2>Resident memory, MiB</h2>${curve(samples, rss)}
<p>${escape(report.machine.model)}, ${String(report.machine.cores)} cores, Node ${report.machine.node}, ${escape(report.machine.openssl ?? 'no openssl')}, load before ${report.machine.loadBefore.toFixed(2)}.</p>
</body></html>
`;
}

function rateAt(samples: readonly BenchSample[], i: number): number {
  const now = samples[i];
  const before = samples[i - 1] ?? { atSeconds: 0, issued: 0 };
  const seconds = (now?.atSeconds ?? 0) - before.atSeconds;
  return seconds <= 0 ? 0 : ((now?.issued ?? 0) - before.issued) / seconds;
}

function curve(samples: readonly BenchSample[], values: readonly number[]): string {
  const top = Math.max(1, ...values);
  const end = Math.max(1, samples.at(-1)?.atSeconds ?? 1);
  const points = values
    .map((value, i) => {
      const x = ((samples[i]?.atSeconds ?? 0) / end) * width;
      return `${x.toFixed(1)},${(height - (value / top) * height).toFixed(1)}`;
    })
    .join(' ');
  return `<svg viewBox="0 0 ${String(width)} ${String(height)}"><polyline points="${points}" fill="none" stroke="currentColor" stroke-width="2"/></svg><p>0 to ${top.toFixed(0)}, ${end.toFixed(0)} s</p>`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
