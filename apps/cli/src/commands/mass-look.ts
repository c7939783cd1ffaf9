import { Command } from 'commander';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import type { MassOperationView } from '../client/views.js';
import { watchOperation } from '../client/watch-operation.js';
import { exitCodes } from '../terminal/exit-codes.js';
import { withExamples } from '../terminal/program.js';
import { formatNumber } from '../terminal/quantities.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';
import { massLines } from './mass-lines.js';

export function massListCommand(terminal: Terminal): Command {
  const command = new Command('list')
    .description('list the mass operations of the tenant, newest first')
    .action(async (options: ServerOptions) => {
      using client = openClient(terminal, options);
      const operations = await client.listOperations();
      const rows = operations.map(({ operationId, kind, state, counts, createdAt }) => [
        operationId,
        kind,
        state,
        formatNumber(counts.lookedAt),
        formatNumber(counts.requests),
        createdAt.slice(0, 10),
      ]);
      terminal.report(
        { operations },
        rows.length === 0
          ? ['no mass operations']
          : tableLines(['operation', 'kind', 'state', 'looked at', 'of', 'begun'], rows),
      );
    });
  return withExamples(withServerOptions(command), [['certmill mass list', 'a table']]);
}

export function massShowCommand(terminal: Terminal): Command {
  const command = new Command('show')
    .description('show how far a mass operation is')
    .argument('<name>')
    .action(async (name: string, options: ServerOptions) => {
      using client = openClient(terminal, options);
      const operation = await client.getOperation(name);
      terminal.report(operation, massLines(operation));
    });
  return withExamples(withServerOptions(command), [
    ['certmill mass show move-7', 'state, counts, time left'],
  ]);
}

export function massWatchCommand(terminal: Terminal): Command {
  const command = new Command('watch')
    .description('follow a mass operation until it is over or paused')
    .argument('<name>')
    .action(async (name: string, options: ServerOptions) => {
      using client = openClient(terminal, options);
      const operation = await watchOperation(terminal, client, name);
      terminal.report(operation, massLines(operation));
      terminal.exitCode = exitCodeOf(operation);
    });
  return withExamples(withServerOptions(command, 120), [
    [
      'certmill mass watch move-7',
      'ends with 2 where some were refused or rejected, with 1 where it failed',
    ],
  ]);
}

function exitCodeOf({ state, counts }: MassOperationView): Terminal['exitCode'] {
  if (state === 'failed' || counts.deadLettered > 0) return exitCodes.couldNotRun;
  const left = counts.refused + counts.rejected + counts.pending;
  return left > 0 ? exitCodes.someRejected : exitCodes.ok;
}
