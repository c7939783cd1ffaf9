import { Command } from 'commander';
import type { Terminal } from '../terminal/terminal.js';
import { profileAddCommand } from './profile-add.js';
import { profileCheckCommand } from './profile-check.js';
import { profileListCommand } from './profile-list.js';

export function profileCommand(terminal: Terminal): Command {
  return new Command('profile')
    .description('certificate profiles: check a file, add it to a server, list')
    .addCommand(profileCheckCommand(terminal))
    .addCommand(profileAddCommand(terminal))
    .addCommand(profileListCommand(terminal));
}
