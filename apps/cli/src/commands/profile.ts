import { Command } from 'commander';
import type { Terminal } from '../terminal/terminal.js';
import { profileCheckCommand } from './profile-check.js';

export function profileCommand(terminal: Terminal): Command {
  return new Command('profile')
    .description('certificate profiles: check a file, add it to a server, list')
    .addCommand(profileCheckCommand(terminal));
}
