import { resolve } from 'node:path';
import { Command } from 'commander';
import { isCertmillError } from '@certmill/domain';
import {
  askRunningServer,
  backUpStoppedFolder,
  holdsPassphrase,
  restoreDataFolder,
} from '@certmill/standalone/folder';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';
import { dataOption } from './data-option.js';

const passphraseWarning =
  'DEVELOPMENT ONLY: the passphrase of the CA keys is in it, in clear, since it lies in the data folder: whoever reads the backup can sign certificates';

export function backupCommand(terminal: Terminal): Command {
  const command = new Command('backup')
    .description(
      'copy the data folder consistently, also while its server runs; a development passphrase that lies in the folder is copied in clear',
    )
    .argument('<dir>', 'target, not there or empty')
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (target: string, options: { readonly data: string }) => {
      const directory = resolve(target);
      await backUp(options.data, directory);
      const hasPassphrase = holdsPassphrase(directory);
      terminal.report({ backup: directory, holdsPassphrase: hasPassphrase }, [
        `backed up to ${directory}`,
        'it holds the CA keys (encrypted), the serial keys and the secrets of the folder: keep it as safe as the folder',
        ...(hasPassphrase ? [passphraseWarning] : []),
      ]);
    });
  return withExamples(command, [['certmill backup /backups/monday', 'the folder ./certmill-data']]);
}

async function backUp(data: string, directory: string): Promise<void> {
  try {
    await backUpStoppedFolder(data, directory);
  } catch (error) {
    if (!isCertmillError(error) || error.code !== 'DATA_FOLDER_IN_USE') throw error;
    await askRunningServer(data, { command: 'backup', directory });
  }
}

export function restoreCommand(terminal: Terminal): Command {
  const command = new Command('restore')
    .description('put a backup in the place of a data folder')
    .argument('<backup>', 'folder that `certmill backup` made')
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (backup: string, options: { readonly data: string }) => {
      await restoreDataFolder(backup, options.data);
      terminal.report({ data: options.data }, [
        `restored to ${options.data}; what the backup had accepted goes on; uploads that it had not whole are broken off: send them anew`,
      ]);
    });
  return withExamples(command, [
    ['certmill restore /backups/monday --data ./certmill-data', 'the folder must be empty'],
  ]);
}
