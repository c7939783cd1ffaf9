import { Command, Option } from 'commander';
import { resultOutcomes, type ResultOutcome } from '@certmill/pipeline';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import type { MassResultView } from '../client/views.js';
import { withExamples } from '../terminal/program.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';

interface ResultsOptions extends ServerOptions {
  readonly outcome?: ResultOutcome;
  readonly csv?: boolean;
}

const columns = ['serialNumber', 'deviceId', 'batchId', 'index', 'outcome', 'reason'] as const;

export function massResultsCommand(terminal: Terminal): Command {
  const command = new Command('results')
    .description('list each certificate that a mass operation has looked at, and what became of it')
    .argument('<name>')
    .addOption(new Option('--outcome <outcome>', 'of one outcome only').choices(resultOutcomes))
    .option('--csv', 'as CSV with a header, row by row')
    .action(async (name: string, options: ResultsOptions) => {
      using client = openClient(terminal, options);
      const rows = client.operationResults(name, options.outcome);
      if (options.csv === true && !terminal.isJson) {
        terminal.say(columns.join(','));
        for await (const row of rows) terminal.say(cellsOf(row).map(csvCell).join(','));
        return;
      }
      const results = await Array.fromAsync(rows);
      terminal.report(
        { results },
        results.length === 0 ? ['no certificates'] : tableLines(columns, results.map(cellsOf)),
      );
    });
  return withExamples(withServerOptions(command, 120), [
    ['certmill mass results move-7 --outcome refused', 'who gets no other certificate, and why'],
    ['certmill mass results move-7 --csv', 'each certificate, for a spreadsheet'],
  ]);
}

function cellsOf(row: MassResultView): string[] {
  return columns.map((column) => String(row[column] ?? ''));
}

/** RFC 4180, 2: what holds a quote, a comma or an end of line stands in quotes. */
function csvCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
