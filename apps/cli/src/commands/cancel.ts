import { Command } from 'commander';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';
import { batchLines } from './batch-lines.js';

export function cancelCommand(terminal: Terminal): Command {
  const command = new Command('cancel')
    .description('cancel a batch: what is not signed yet is not issued')
    .argument('<batch>', 'batch id')
    .action(async (batchId: string, options: ServerOptions) => {
      using client = openClient(terminal, options);
      const batch = await client.cancelBatch(batchId);
      terminal.report(batch, batchLines(batch));
    });
  return withExamples(withServerOptions(command), [
    ['certmill cancel 9f2c41d07be35a6680d1c2b3a4', 'certificates that are issued stay issued'],
  ]);
}
