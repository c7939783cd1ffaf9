import { Command } from 'commander';
import { exportAuthorities } from '@certmill/trust';
import { withExamples } from '../../terminal/program.js';
import { formatNumber } from '../../terminal/quantities.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';

export function exportCommand(terminal: Terminal): Command {
  const command = new Command('export')
    .description('the CAs of the data folder without their keys: certificates, chains, CRLs')
    .argument('<dir>', 'a new folder, or one with what was exported before')
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (into: string, { data }: { readonly data: string }) => {
      const { cas, filesWritten } = await exportAuthorities({ directory: data, into });
      terminal.report({ cas, filesWritten }, [
        `exported ${formatNumber(cas.length)} CAs without keys to ${into}: ${formatNumber(filesWritten)} files written`,
      ]);
    });
  return withExamples(command, [
    ['certmill ca export public-trust', 'for a role that signs nothing'],
    ['certmill ca export public-trust --data trust', 'again: what changed since'],
  ]);
}
