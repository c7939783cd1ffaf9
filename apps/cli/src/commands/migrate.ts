import { Command } from 'commander';
import type { MigrationReport } from '@certmill/fleet';
import { openFolderToMigrate } from '@certmill/standalone/folder';
import { exitCodes } from '../terminal/exit-codes.js';
import { withExamples } from '../terminal/program.js';
import type { Progress } from '../terminal/progress.js';
import { formatNumber } from '../terminal/quantities.js';
import type { Terminal } from '../terminal/terminal.js';
import { configOption } from './config-option.js';
import { dataOption } from './data-option.js';

interface MigrateOptions {
  readonly data: string;
  readonly config: string;
  readonly dryRun?: boolean;
}

const clock = { nowMs: () => Date.now() };

export function migrateCommand(terminal: Terminal): Command {
  const command = new Command('migrate')
    .description(
      'carry a data folder into a fresh fleet: orders, allow-lists, certificates, claims, quota; it may be killed and run again',
    )
    .addOption(dataOption())
    .addOption(configOption())
    .option('--dry-run', 'count and check, write nothing')
    .option('--json', 'print one JSON object')
    .action(async ({ data, config, dryRun = false }: MigrateOptions) => {
      const { migrateStore, readFleetConfig } = await import('@certmill/fleet');
      const fleet = readFleetConfig(config);
      await using source = await openFolderToMigrate(data);
      using shown = new ShownSteps(terminal);
      const report = await migrateStore({
        source,
        config: fleet,
        clock,
        isDryRun: dryRun,
        onProgress(what, done, total) {
          terminal.signal.throwIfAborted();
          shown.show(what, done, total);
        },
      });
      if (report.outcome === 'unsound') terminal.exitCode = exitCodes.couldNotRun;
      terminal.report(report, linesOf(report));
    });
  return withExamples(command, [
    ['certmill migrate --data ./certmill-data --config fleet.yaml --dry-run', 'is it possible'],
    ['certmill migrate --data ./certmill-data --config fleet.yaml', 'again, if it is interrupted'],
  ]);
}

/** One display after the other. */
class ShownSteps implements Disposable {
  readonly #terminal: Terminal;
  #what = '';
  #progress: Progress | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show(what: string, done: number, total: number): void {
    if (what !== this.#what) this.#progress = this.#terminal.progress(what);
    this.#what = what;
    this.#progress?.update({ done, total });
  }

  [Symbol.dispose](): void {
    this.#progress?.stop();
  }
}

const endings: Readonly<Record<MigrationReport['outcome'], string>> = {
  migrated: 'all of it is in the fleet and verified: start its services. The folder is retired',
  'migrated-before': 'all of it was in the fleet already; nothing was changed',
  checked: 'it can be carried over; nothing was written',
  unsound: 'not all is as it was: the services do not start, the folder is as it was',
};

function linesOf({ outcome, counts, findings, verified }: MigrationReport): readonly string[] {
  const number = (name: keyof typeof counts): string => formatNumber(counts[name]);
  return [
    `${number('orders')} orders, ${number('allowLists')} allow-lists, ${number('batches')} batches, ${number('issued')} certificates, ${number('deadLetters')} dead letters, ${number('statuses')} statuses in the folder`,
    ...(counts.unfinishedUploads === 0
      ? []
      : [`${number('unfinishedUploads')} uploads are not whole: they can be resumed in the fleet`]),
    ...(verified === undefined
      ? []
      : [`${formatNumber(verified.certificates)} certificates verified in the fleet`]),
    ...findings,
    endings[outcome],
  ];
}
