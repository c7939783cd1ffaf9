import { Command } from 'commander';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';
import { orderLines } from './order-lines.js';

export function orderCloseCommand(terminal: Terminal): Command {
  const command = new Command('close')
    .description('close an order: nothing more is issued under it')
    .argument('<order>')
    .action(async (orderId: string, options: ServerOptions) => {
      using client = openClient(terminal, options);
      const order = await client.closeOrder(orderId);
      terminal.report(order, orderLines(order));
    });
  return withExamples(withServerOptions(command), [
    ['certmill order close spring-run', 'before its date'],
  ]);
}
