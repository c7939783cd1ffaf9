import { Command } from 'commander';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';
import { orderLines } from './order-lines.js';

export function orderShowCommand(terminal: Terminal): Command {
  const command = new Command('show')
    .description('show one order')
    .argument('<order>')
    .action(async (orderId: string, options: ServerOptions) => {
      using client = openClient(terminal, options);
      const order = await client.getOrder(orderId);
      terminal.report(order, orderLines(order));
    });
  return withExamples(withServerOptions(command), [
    ['certmill order show spring-run', 'state, quota and devices'],
  ]);
}
