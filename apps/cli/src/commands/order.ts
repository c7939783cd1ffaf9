import { Command } from 'commander';
import type { Terminal } from '../terminal/terminal.js';
import { orderCloseCommand } from './order-close.js';
import { orderCreateCommand } from './order-create.js';
import { orderListCommand } from './order-list.js';
import { orderShowCommand } from './order-show.js';

export function orderCommand(terminal: Terminal): Command {
  return new Command('order')
    .description('orders: what may be issued, how often and until when')
    .addCommand(orderCreateCommand(terminal))
    .addCommand(orderShowCommand(terminal))
    .addCommand(orderListCommand(terminal))
    .addCommand(orderCloseCommand(terminal));
}
