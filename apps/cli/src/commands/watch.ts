import { Command } from 'commander';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';
import { batchLines, nextLines } from './batch-lines.js';
import { followBatch } from './follow-batch.js';

export function watchCommand(terminal: Terminal): Command {
  const command = new Command('watch')
    .description('follow a batch to its end')
    .argument('<batch>', 'batch id')
    .action(async (batchId: string, options: ServerOptions) => {
      using client = openClient(terminal, options);
      const batch = await followBatch(client, batchId, terminal);
      terminal.report(batch, [...batchLines(batch), ...nextLines(batch)]);
    });
  return withExamples(withServerOptions(command, 120), [
    [
      'certmill watch 9f2c41d07be35a6680d1c2b3a4',
      'ends with 2 where some were rejected, with 1 where some are dead letters',
    ],
  ]);
}
