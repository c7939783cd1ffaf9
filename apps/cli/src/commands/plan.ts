import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { CertmillError } from '@certmill/domain';
import {
  planCapacity,
  planDefaults,
  planInputSchema,
  type CapacityPlan,
  type PlanInput,
} from '../load/plan-capacity.js';
import { withExamples } from '../terminal/program.js';
import { formatBytes, formatNumber, formatPercent } from '../terminal/quantities.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';

interface PlanCommandOptions {
  readonly perDay: string;
  readonly bench: string;
  readonly peak: string;
  readonly utilisation: string;
  readonly slotSignatures: string;
}

export function planCommand(terminal: Terminal): Command {
  const command = new Command('plan')
    .description('what a fleet needs for so many certificates a day, from a bench of one')
    .requiredOption('--per-day <n>', 'certificates a day')
    .requiredOption('--bench <file>', "what 'certmill fleet bench --json' printed")
    .option(
      '--peak <factor>',
      'how much busier the busiest hour is than the mean',
      String(planDefaults.peak),
    )
    .option(
      '--utilisation <share>',
      'share of a core or slot to plan with',
      String(planDefaults.utilisation),
    )
    .option(
      '--slot-signatures <n>',
      'signatures a second of one HSM slot',
      String(planDefaults.slotSignatures),
    )
    .option('--json', 'print one JSON object')
    .action((options: PlanCommandOptions) => {
      const plan = planCapacity(readBench(options.bench), {
        ...planDefaults,
        perDay: positive('--per-day', options.perDay, 1e12),
        peak: positive('--peak', options.peak, 1_000),
        utilisation: positive('--utilisation', options.utilisation, 1),
        slotSignatures: positive('--slot-signatures', options.slotSignatures, 1e9),
      });
      terminal.report(plan, linesOf(plan));
    });
  return withExamples(command, [
    ['certmill plan --per-day 10000000 --bench bench.json', 'ten million a day'],
    ['certmill plan --per-day 1e9 --bench bench.json --slot-signatures 20000', 'with faster HSMs'],
  ]);
}

function positive(option: string, text: string, max: number): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0 || value > max) {
    throw new CertmillError('INVALID_INPUT', `${option} must be a number above 0 up to ${max}`);
  }
  return value;
}

function readBench(file: string): PlanInput {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new CertmillError('INVALID_INPUT', `--bench: cannot read ${file}`, { cause });
  }
  try {
    return planInputSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new CertmillError(
      'INVALID_INPUT',
      `--bench: ${file} is not what 'certmill fleet bench --json' printed`,
      { cause },
    );
  }
}

function assumptionsOf({ assumed }: CapacityPlan): string {
  const parts = [
    `a busiest hour of ${String(assumed.peak)} times the mean`,
    `cores and slots used to ${formatPercent(assumed.utilisation)}`,
    `${formatNumber(assumed.slotSignatures)} signatures a second of a slot`,
    `${formatNumber(assumed.replicas)} replicas`,
    `${formatNumber(assumed.backlogHours)} h of backlog`,
    `${formatNumber(assumed.journalBytesPerCertificate)} octets a certificate besides its segment`,
  ];
  return `assumed: ${parts.join(', ')}; not planned: CPU and memory of brokers and store`;
}

function linesOf(plan: CapacityPlan): string[] {
  const { brokers, store } = plan;
  const rows = plan.roles.map(({ role, cores, processes, memoryBytes, ioBytesPerSecond }) => {
    const io = ioBytesPerSecond === null ? 'not measured' : formatBytes(ioBytesPerSecond);
    return [role, cores.toFixed(1), processes, formatBytes(memoryBytes), io];
  });
  return [
    `${formatNumber(plan.perDay)} certificates a day: ${formatNumber(Math.ceil(plan.perSecond))} a second, ${formatNumber(Math.ceil(plan.peakPerSecond))} at the peak`,
    '',
    ...tableLines(['role', 'cores', 'processes', 'memory', 'read and written a second'], rows),
    '',
    `slots        ${formatNumber(plan.slots)}`,
    `partitions   ${formatNumber(plan.partitions)} of each bulk topic`,
    `brokers      ${formatBytes(brokers.writtenBytesPerSecond)} written a second, ${formatBytes(brokers.networkBitsPerSecond / 8)} over the network, ${formatBytes(brokers.backlogBytes)} of disk for a backlog`,
    `store        ${formatBytes(store.writtenBytesPerSecond)} written a second, ${formatBytes(store.bytesPerDay)} a day, ${formatBytes(store.bytesPerYear)} a year`,
    '',
    assumptionsOf(plan),
  ];
}
