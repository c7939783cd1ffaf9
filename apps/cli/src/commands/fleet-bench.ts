import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { CertmillError } from '@certmill/domain';
import { exitCodes } from '../terminal/exit-codes.js';
import { withExamples } from '../terminal/program.js';
import {
  formatBytes,
  formatDuration,
  formatNumber,
  formatPercent,
} from '../terminal/quantities.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';
import { wholeNumber } from './whole-number.js';
import type { FleetBenchReport, MetricsSource } from '../load/run-fleet-bench.js';

interface FleetBenchOptions {
  readonly server: string;
  readonly keyFile: string;
  readonly metrics: readonly MetricsSource[];
  readonly requests: string;
  readonly warmUp: string;
  readonly enrolments: string;
}

/** Requests: more are no bench any more. */
const most = 16_000_000;

export function fleetBenchCommand(terminal: Terminal): Command {
  const command = new Command('bench')
    .description(
      'send a batch of new devices through a fleet that runs: end to end, CPU, memory and octets of each service',
    )
    .requiredOption('--server <url>', 'the API of ingest')
    .requiredOption('--key-file <file>', 'API key of an operator')
    .option(
      '--metrics <name=url...>',
      'where each process tells its metrics',
      (text: string, before: readonly MetricsSource[]) => [...before, metricsSource(text)],
      [] as readonly MetricsSource[],
    )
    .option('--requests <n>', 'requests of the batch', '100000')
    .option('--warm-up <n>', 'requests of a batch before it, not measured', '20000')
    .option('--enrolments <n>', 'single enrolments a second beside the batch', '0')
    .option('--json', 'print one JSON object')
    .action(async (options: FleetBenchOptions) => {
      const { runFleetBench } = await import('../load/run-fleet-bench.js');
      const report = await runFleetBench({
        access: { url: options.server, key: readFileSync(options.keyFile, 'utf8').trim() },
        sources: options.metrics,
        requests: wholeNumber('--requests', options.requests, 1, most),
        warmUp: wholeNumber('--warm-up', options.warmUp, 0, most),
        enrolmentsPerSecond: wholeNumber('--enrolments', options.enrolments, 0, 1_000),
        onStep: (step) => terminal.note(step),
      });
      if (report.rejected > 0) terminal.exitCode = exitCodes.someRejected;
      terminal.report(report, linesOf(report));
    });
  return withExamples(command, [
    [
      'certmill fleet bench --server http://127.0.0.1:8460 --key-file admin.key --metrics sign=http://127.0.0.1:8461',
      'end to end, and what sign used for it',
    ],
  ]);
}

function metricsSource(text: string): MetricsSource {
  const [, name, url] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || url === undefined || !URL.canParse(url)) {
    throw new CertmillError('INVALID_INPUT', `--metrics ${text}: must be NAME=URL`);
  }
  return { name, url };
}

/** Per certificate. */
function octetsOf(bytes: number | null): string {
  return bytes === null ? 'not told' : formatNumber(bytes);
}

function linesOf(report: FleetBenchReport): string[] {
  const { limitPerSecond, ratio, services, signaturesPerSessionSecond, enrolments, machine } =
    report;
  return [
    `${formatNumber(report.requests)} requests, ${formatDuration(report.seconds)}`,
    `end to end ${formatNumber(report.endToEndPerSecond)}/s${limitPerSecond === null || ratio === null ? '' : ` = ${formatPercent(ratio)} of the limit, ${formatNumber(limitPerSecond)}/s`}`,
    '',
    ...tableLines(
      ['service', 'CPU us per certificate', 'memory', 'read', 'written', 'to disk'],
      [
        ...services.map((each) => [
          each.name,
          each.cpuMicroseconds.toFixed(1),
          formatBytes(each.maxRssBytes),
          octetsOf(each.readBytes),
          octetsOf(each.writtenBytes),
          octetsOf(each.diskWrittenBytes),
        ]),
        ['all services', report.servicesCpuMicroseconds.toFixed(1), '', '', '', ''],
        ['client', report.clientCpuMicroseconds.toFixed(1), '', '', '', ''],
      ],
    ),
    'read and written: octets per certificate from and to sockets, files and pipes',
    ...(signaturesPerSessionSecond === null
      ? []
      : [`a session of a slot: ${formatNumber(signaturesPerSessionSecond)} signatures a second`]),
    ...(enrolments === null
      ? []
      : [
          '',
          `enrolments beside it, ${String(enrolments.perSecond)}/s: p50 ${String(enrolments.p50Milliseconds)} ms, p99 ${String(enrolments.p99Milliseconds)} ms, at most ${String(enrolments.maxMilliseconds)} ms (${formatNumber(enrolments.samples)} samples, ${formatNumber(enrolments.failed)} failed)`,
        ]),
    `${machine.model}, ${String(machine.cores)} cores, load before ${machine.loadBefore.toFixed(2)}`,
  ];
}
