import { Command } from 'commander';
import { profileHash } from '@certmill/domain';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';
import { readProfileFile } from './profile-file.js';

/** Local: what the server would say to `profile add`, without one. */
export function profileCheckCommand(terminal: Terminal): Command {
  const command = new Command('check')
    .description('check a profile file; no server needed')
    .argument('<file>', 'profile in YAML')
    .option('--json', 'print one JSON object')
    .action(async (file: string) => {
      const { profile } = await readProfileFile(file);
      const hash = profileHash(profile);
      terminal.report({ file, name: profile.name, version: profile.version, hash }, [
        `${file}: profile ${profile.name}, version ${String(profile.version)}, is good`,
        `hash ${hash}`,
      ]);
    });
  return withExamples(command, [
    ['certmill profile check gateway.yaml', 'name each line that is wrong'],
    ['certmill profile check gateway.yaml --json', 'the same for a script'],
  ]);
}
