import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isCertmillError } from '@certmill/domain';
import { onStopSignals } from '@certmill/native';
import { findK6 } from './k6.js';
import { readOptions, usage, type LoadOptions } from './options.js';
import { reportHtml } from './report-html.js';
import { runLoad } from './run-load.js';
import { startFleet } from './start-fleet.js';
import { startStandalone } from './start-standalone.js';
import { summaryText } from './summary-text.js';
import { givenTarget } from './target.js';

/** As `certmill` ends: 0 done, 2 done and not good, 1 not done. */
const exitCodes = { kept: 0, missed: 2, failed: 1 } as const;

const repository = join(import.meta.dirname, '../..');

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    process.stdout.write(usage);
    return exitCodes.kept;
  }
  const options = readOptions(args, process.env);
  const k6 = await findK6(options.k6);
  const stopping = new AbortController();
  onStopSignals(
    () => stopping.abort(),
    () => process.exit(exitCodes.failed),
  );
  const { server, isFleet } = options;
  const report = await runLoad({
    options,
    k6,
    cache: join(repository, '.cache/load'),
    openTarget: () => {
      if (server !== undefined) return Promise.resolve(givenTarget(server));
      return isFleet ? startFleet() : startStandalone();
    },
    // A fleet takes its time to start, and as much again until its brokers are warm.
    sharesTarget: isFleet,
    signal: stopping.signal,
    onStep: note,
  });
  const files = await writeReports(options, report.startedAt, {
    json: `${JSON.stringify(report, undefined, 2)}\n`,
    html: reportHtml(report),
  });
  process.stdout.write(summaryText(report));
  process.stdout.write(files.map((file) => `${file}\n`).join(''));
  return report.isKept ? exitCodes.kept : exitCodes.missed;
}

async function writeReports(
  options: LoadOptions,
  startedAt: string,
  texts: Readonly<Record<'json' | 'html', string>>,
): Promise<readonly string[]> {
  const folder = options.reports ?? join(repository, 'load-tests/reports');
  await mkdir(folder, { recursive: true });
  const name = `load-${startedAt.replace(/[-:]|\.\d+/g, '')}`;
  return Promise.all(
    Object.entries(texts).map(async ([kind, text]) => {
      const file = join(folder, `${name}.${kind}`);
      await writeFile(file, text);
      return file;
    }),
  );
}

function note(step: string): void {
  process.stderr.write(`${step}\n`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const said = isCertmillError(error) ? `${error.code}: ${error.message}` : String(error);
  process.stderr.write(`error ${said}\n`);
  process.exitCode = exitCodes.failed;
}
