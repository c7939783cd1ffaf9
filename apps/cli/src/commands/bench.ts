import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { ensureHierarchy } from '../hierarchy.js';
import { benchHtml } from '../load/bench-html.js';
import { runBench, type BenchReport } from '../load/run-bench.js';
import { withExamples } from '../terminal/program.js';
import {
  formatBytes,
  formatDuration,
  formatNumber,
  formatPercent,
} from '../terminal/quantities.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';
import { benchAuthorityCommand } from './bench-authority.js';
import { dataOption } from './data-option.js';
import { wholeNumber } from './whole-number.js';

interface BenchCommandOptions {
  readonly data: string;
  readonly requests: string;
  readonly warmUp: string;
  readonly devices?: string;
  readonly report?: string;
  readonly enrolments: string;
  readonly fsyncMs: string;
  readonly limitSeconds: string;
}

/** Requests or devices: more are no bench any more. */
const most = 16_000_000;

export function benchCommand(terminal: Terminal): Command {
  const command = new Command('bench')
    .description(
      "measure this machine: its limit, end to end, per stage, memory, in one run of serve's own code",
    )
    .option('--requests <n>', 'requests of the batch', '100000')
    .option(
      '--warm-up <n>',
      'requests of a batch before it, not measured; 0 for a cold start',
      '10000',
    )
    .option('--devices <n>', 'devices on the allow-list; default: those of the batch')
    .option('--enrolments <n>', 'single enrolments a second beside the batch', '0')
    .option('--fsync-ms <ms>', 'make every fsync slower by this much', '0')
    .option(
      '--limit-seconds <n>',
      'of openssl speed, for signing and for verifying, before and after: fewer tell less',
      '3',
    )
    .option('--report <file>', 'write the figures and curves as HTML')
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (options: BenchCommandOptions) => {
      const requests = wholeNumber('--requests', options.requests, 1, most);
      const devices = Math.max(
        requests,
        wholeNumber('--devices', options.devices ?? options.requests, 1, most),
      );
      await ensureHierarchy(terminal, options.data);
      const report = await runBench({
        data: options.data,
        requests,
        warmUp: wholeNumber('--warm-up', options.warmUp, 0, most),
        devices,
        enrolmentsPerSecond: wholeNumber('--enrolments', options.enrolments, 0, 1_000),
        limitSeconds: wholeNumber('--limit-seconds', options.limitSeconds, 1, 60),
        fsyncMs: wholeNumber('--fsync-ms', options.fsyncMs, 0, 1_000),
        onStep: (step) => terminal.note(step),
      });
      if (options.report !== undefined) await writeFile(options.report, benchHtml(report));
      if (report.rejected > 0) terminal.exitCode = 2;
      terminal.report(report, benchLines(report));
    })
    .addCommand(benchAuthorityCommand(terminal));
  return withExamples(command, [
    ['certmill bench', '100,000 requests'],
    ['certmill bench --requests 1000000 --report bench.html', 'with curves of rate and memory'],
    ['certmill bench --devices 5000000 --json', 'a long allow-list, for a script'],
    ['certmill bench --requests 1000000 --enrolments 50', 'what a single device waits meanwhile'],
  ]);
}

function benchLines(report: BenchReport): string[] {
  const { limitPerSecond, ratio, machine } = report;
  return [
    `${formatNumber(report.requests)} requests, ${formatNumber(report.devices)} devices on the allow-list, ${formatDuration(report.seconds)}${report.warmUp === 0 ? ', cold' : `, after ${formatNumber(report.warmUp)} to warm up`}`,
    limitPerSecond === null || ratio === null
      ? `end to end ${formatNumber(report.endToEndPerSecond)}/s; there is no openssl on this machine, so no limit to compare with`
      : `end to end ${formatNumber(report.endToEndPerSecond)}/s = ${formatPercent(ratio)} of the limit, ${formatNumber(limitPerSecond)}/s (${machine.openssl ?? ''}, all ${String(machine.cores)} cores)`,
    '',
    ...tableLines(
      ['stage', 'CPU us per certificate'],
      [
        ...report.stages.map(({ name, cpuMicroseconds }) => [name, cpuMicroseconds.toFixed(1)]),
        ['whole process', report.processCpuMicroseconds.toFixed(1)],
        ['client', report.clientCpuMicroseconds.toFixed(1)],
      ],
    ),
    '',
    `memory: at most ${formatBytes(report.maxRssBytes)}${report.rssGrowthPerMillion === null ? '' : `, growth ${(report.rssGrowthPerMillion * 100).toFixed(1)} % per million requests`}`,
    ...enrolmentLines(report),
    `ready ${report.readySeconds.toFixed(2)} s after start; ${machine.model}, Node ${machine.node}, load before ${machine.loadBefore.toFixed(2)}`,
  ];
}

function enrolmentLines({ enrolments }: BenchReport): string[] {
  if (enrolments === null) return [];
  const { samples, failed, perSecond, p50Milliseconds, p99Milliseconds, maxMilliseconds } =
    enrolments;
  return [
    `enrolments beside it, ${String(perSecond)}/s: p50 ${String(p50Milliseconds)} ms, p99 ${String(p99Milliseconds)} ms, at most ${String(maxMilliseconds)} ms (${formatNumber(samples)} samples, ${formatNumber(failed)} failed)`,
  ];
}
