import { Command } from 'commander';
import type { Terminal } from '../../terminal/terminal.js';
import { buildCommand } from './crl-build.js';
import { fetchCommand } from './crl-fetch.js';
import { importCommand } from './crl-import.js';
import { showCommand } from './crl-show.js';

export function crlCommand(terminal: Terminal): Command {
  return new Command('crl')
    .description('certificate revocation lists of a data folder')
    .addCommand(showCommand(terminal))
    .addCommand(buildCommand(terminal))
    .addCommand(fetchCommand(terminal))
    .addCommand(importCommand(terminal));
}
