import { Command } from 'commander';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import { withExamples } from '../terminal/program.js';
import { formatNumber } from '../terminal/quantities.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';

export function orderListCommand(terminal: Terminal): Command {
  const command = new Command('list')
    .description('list the orders of the tenant')
    .action(async (options: ServerOptions) => {
      using client = openClient(terminal, options);
      const orders = await client.listOrders();
      const rows = orders.map((order) => [
        order.orderId,
        order.state,
        order.profile,
        formatNumber(order.reserved),
        formatNumber(order.quota),
        order.expiresAt.slice(0, 10),
      ]);
      terminal.report(
        { orders },
        rows.length === 0
          ? ['no orders yet; open one with: certmill order create']
          : tableLines(['order', 'state', 'profile', 'used', 'quota', 'until'], rows),
      );
    });
  return withExamples(withServerOptions(command), [
    ['certmill order list', 'a table'],
    ["certmill order list --json | jq '.orders[].orderId'", 'for a script'],
  ]);
}
