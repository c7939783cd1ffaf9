import { Command } from 'commander';
import type { Terminal } from '../terminal/terminal.js';
import { massControlCommands } from './mass-control.js';
import { massDevicesCommand } from './mass-devices.js';
import { massResultsCommand } from './mass-results.js';
import { massListCommand, massShowCommand, massWatchCommand } from './mass-look.js';
import { massReissueCommand, massRenewCommand, massRevokeCommand } from './mass-begin.js';

export function massCommand(terminal: Terminal): Command {
  const command = new Command('mass')
    .description('mass operations at a server: revoke or reissue a population, as resumable jobs')
    .addCommand(massRevokeCommand(terminal))
    .addCommand(massReissueCommand(terminal))
    .addCommand(massRenewCommand(terminal))
    .addCommand(massListCommand(terminal))
    .addCommand(massShowCommand(terminal))
    .addCommand(massResultsCommand(terminal))
    .addCommand(massDevicesCommand(terminal))
    .addCommand(massWatchCommand(terminal));
  for (const control of massControlCommands(terminal)) command.addCommand(control);
  return command;
}
