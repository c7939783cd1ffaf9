import { Command, InvalidArgumentError, Option } from 'commander';
import type { InitReport, RotationStep } from '@certmill/fleet';
import { configOption } from './config-option.js';
import { fleetBenchCommand } from './fleet-bench.js';
import { exitCodes } from '../terminal/exit-codes.js';
import { withExamples } from '../terminal/program.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';
import { reportVerification } from './report-verification.js';

const clock = { nowMs: () => Date.now() };
/** Loaded when it is asked for: no other command pays for the fleet's libraries. */
const loadFleet = () => import('@certmill/fleet');

/** `certmill fleet`: what a fleet needs before its services start, and how it fares. */
export function fleetCommand(terminal: Terminal): Command {
  const command = new Command('fleet').description('prepare a fleet of services and look after it');
  return command
    .addCommand(keysCommand(terminal))
    .addCommand(initCommand(terminal))
    .addCommand(restoredCommand(terminal))
    .addCommand(lagCommand(terminal))
    .addCommand(reconcileCommand(terminal))
    .addCommand(verifyCommand(terminal))
    .addCommand(fleetBenchCommand(terminal));
}

interface KeysOptions {
  readonly out: string;
  readonly rotate?: RotationStep;
  readonly config?: string;
}

const beforeDrop =
  "before drop: let the lag of every stage be 0 ('certmill fleet lag') and settle all dead letters; what is sealed with the old key then can never be opened again. With --config FILE drop checks that";
const unchecked =
  'nobody checked that the lag was 0 and no dead letter was left: deploy these files only when that is so';

function keysCommand(terminal: Terminal): Command {
  const steps: readonly RotationStep[] = ['add', 'seal', 'drop'];
  const command = new Command('keys')
    .description(
      'make the keys that seal records between services, and the one that signs manifests',
    )
    .requiredOption('--out <dir>', 'folder for the key files (mode 0600)')
    .addOption(
      new Option(
        '--rotate <step>',
        'one step of a rotation; deploy the files before the next',
      ).choices(steps),
    )
    .option('--config <file>', 'with --rotate drop: refuse while records or dead letters are left')
    .option('--json', 'print one JSON object')
    .action(async ({ out, rotate, config }: KeysOptions) => {
      const { assertKeyUnused, makeFleetKeys, readFleetConfig, rotateFleetKeys } =
        await loadFleet();
      if (config !== undefined && rotate === 'drop') {
        await assertKeyUnused(readFleetConfig(config), clock);
      }
      const files =
        rotate === undefined
          ? makeFleetKeys(out, clock.nowMs())
          : rotateFleetKeys(out, rotate, clock.nowMs());
      const rows = [
        ['ingest, validate', files.hopKeys.received],
        ['validate, sign', files.hopKeys.validated],
        ['sign, publish', files.hopKeys.issued],
        ['ingest, sign', files.hopKeys.status],
        ['ingest', files.manifestKey],
      ];
      const next = rotate === 'add' ? 'seal' : rotate === 'seal' ? 'drop' : undefined;
      terminal.report(files, [
        ...tableLines(['for', 'file'], rows),
        ...(next === undefined
          ? []
          : [`deploy these files, restart the services, then --rotate ${next}`]),
        ...(next === 'drop' ? [beforeDrop] : []),
        ...(rotate === 'drop' && config === undefined ? [unchecked] : []),
      ]);
    });
  return withExamples(command, [
    ['certmill fleet keys --out keys', 'once, before the first start'],
    ['certmill fleet keys --out keys --rotate add', 'first of three steps: add, seal, drop'],
    [
      'certmill fleet keys --out keys --rotate drop --config fleet.yaml',
      'the last one, refused while records wait under the old key',
    ],
  ]);
}

interface ConfigOptions {
  readonly config: string;
}

function initCommand(terminal: Terminal): Command {
  const command = new Command('init')
    .description('make topics, collections and the first credential where they are not there')
    .addOption(configOption())
    .option('--json', 'print one JSON object')
    .action(async ({ config }: ConfigOptions) => {
      const { initFleet, readFleetConfig } = await loadFleet();
      const report = await initFleet(readFleetConfig(config), clock);
      terminal.report(report, linesOf(report));
      if (report.differences.length > 0) terminal.exitCode = exitCodes.couldNotRun;
    });
  return withExamples(command, [
    ['certmill fleet init --config fleet.yaml', 'as often as you like; nothing is made twice'],
  ]);
}

function linesOf(report: InitReport): readonly string[] {
  const { createdTopics, grownTopics, madeInStore, firstCredential } = report;
  return [
    `made ${String(createdTopics.length)} topics; ${madeInStore.length === 0 ? 'the store was ready' : 'the store is ready now'}`,
    ...grownTopics.map((topic) => `more partitions: ${topic}`),
    ...report.warnings.map((warning) => `warning: ${warning}`),
    ...report.differences.map((difference) => `not as configured: ${difference}`),
    ...(firstCredential === undefined
      ? []
      : [
          `first credential (tenant ${firstCredential.tenant}, role admin), shown this once:`,
          `  ${firstCredential.key}`,
        ]),
  ];
}

function restoredCommand(terminal: Terminal): Command {
  const command = new Command('restored')
    .description(
      'after the database was restored from a backup, before any service starts: a new epoch, and topics in line with it',
    )
    .addOption(configOption())
    .option('--json', 'print one JSON object')
    .action(async ({ config }: ConfigOptions) => {
      const { readFleetConfig, restoreFleet } = await loadFleet();
      const report = await restoreFleet(readFleetConfig(config), clock);
      const { brokenOff, goingOn, deadLetters, passedOver } = report;
      terminal.report(report, [
        `${String(brokenOff)} uploads were not whole and are broken off: send them anew`,
        `${String(goingOn)} chunks in flight go on; ${String(deadLetters)} are dead letters whose record is lost: drop them (certmill dead-letters drop)`,
        `${String(passedOver)} records of the later store are passed over`,
        'the services may start',
      ]);
    });
  return withExamples(command, [
    ['certmill fleet restored --config fleet.yaml', 'all services stopped; again, if interrupted'],
  ]);
}

function lagCommand(terminal: Terminal): Command {
  const command = new Command('lag')
    .description('chunks that wait for each stage, and the processes that work on them')
    .addOption(configOption())
    .option('--json', 'print one JSON object')
    .action(async ({ config }: ConfigOptions) => {
      const { fleetLag, readFleetConfig } = await loadFleet();
      const lags = await fleetLag(readFleetConfig(config));
      const rows = lags.map(({ topic, lag, partitions, members, state }) => {
        return [topic, lag, partitions, members, state];
      });
      const headings = ['topic', 'waiting', 'partitions', 'members', 'group'];
      terminal.report({ lags }, tableLines(headings, rows));
    });
  return withExamples(command, [
    ['certmill fleet lag --config fleet.yaml', 'what waits for validate, sign and publish'],
  ]);
}

interface ReconcileCommandOptions extends ConfigOptions {
  readonly olderThan: number;
  readonly dryRun?: boolean;
}

function reconcileCommand(terminal: Terminal): Command {
  const command = new Command('reconcile')
    .description(
      'find chunks that no topic holds any more, and make them dead letters to be dropped',
    )
    .addOption(configOption())
    .addOption(
      new Option('--older-than <minutes>', 'leave what was received or retried later alone')
        .default(60)
        .argParser(minutes),
    )
    .option('--dry-run', 'only tell')
    .option('--json', 'print one JSON object')
    .action(async ({ config, olderThan, dryRun = false }: ReconcileCommandOptions) => {
      const { readFleetConfig, reconcileFleet } = await loadFleet();
      const olderThanMs = olderThan * 60_000;
      const stranded = await reconcileFleet(readFleetConfig(config), clock, {
        olderThanMs,
        dryRun,
      });
      const rows = stranded.map(({ chunk: { tenant, batchId, chunkNumber }, requests }) => {
        return [tenant, batchId, chunkNumber, requests];
      });
      terminal.report({ stranded, marked: !dryRun }, [
        ...(rows.length === 0
          ? ['no chunk is stranded']
          : tableLines(['tenant', 'batch', 'chunk', 'requests'], rows)),
        ...(rows.length === 0 || dryRun
          ? []
          : ["they are dead letters now: 'certmill dead-letters drop' ends them"]),
      ]);
    });
  return withExamples(command, [
    ['certmill fleet reconcile --config fleet.yaml --dry-run', 'what nothing would ever move'],
    ['certmill fleet reconcile --config fleet.yaml', 'beside a running fleet too'],
  ]);
}

function verifyCommand(terminal: Terminal): Command {
  const command = new Command('verify')
    .description(
      'check everything that is stored, changing nothing: certificates and their chains, requests, serial numbers, counters. While services work, chunks in flight may be called lost',
    )
    .addOption(configOption())
    .option('--json', 'print one JSON object')
    .action(async ({ config }: ConfigOptions) => {
      const { openFleetForReading, readFleetConfig, verifyFleet } = await loadFleet();
      await using opened = await openFleetForReading(readFleetConfig(config));
      await reportVerification(terminal, (onProgress) => verifyFleet(opened, onProgress));
    });
  return withExamples(command, [
    ['certmill fleet verify --config fleet.yaml', 'the services stopped; after a restore, say'],
  ]);
}

function minutes(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('must be a number of minutes');
}
