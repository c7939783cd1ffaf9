import { Command } from 'commander';
import { openStoreForReading, verifyFolder } from '@certmill/standalone/folder';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';
import { dataOption } from './data-option.js';
import { reportVerification } from './report-verification.js';

export function verifyStoreCommand(terminal: Terminal): Command {
  const command = new Command('verify-store')
    .description(
      'check a data folder or a backup offline, changing nothing: certificates and their chains, requests, serial numbers, counters, chunks in the log',
    )
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (options: { readonly data: string }) => {
      await using opened = await openStoreForReading(options.data);
      await reportVerification(terminal, (onProgress) => verifyFolder(opened, onProgress));
    });
  return withExamples(command, [
    ['certmill verify-store', 'lists all that is damaged or lost'],
    ['certmill verify-store --data /backups/monday', 'a backup, as it lies there'],
    ['certmill verify-store --json', 'for a script; exit status 1 where something is wrong'],
  ]);
}
