import { Command } from 'commander';
import type { Terminal } from '../terminal/terminal.js';
import { deviceImportCommand } from './device-import.js';
import { deviceShowCommand } from './device-show.js';

export function deviceCommand(terminal: Terminal): Command {
  return new Command('device')
    .description('devices: allow-lists of orders, certificates of a device')
    .addCommand(deviceImportCommand(terminal))
    .addCommand(deviceShowCommand(terminal));
}
