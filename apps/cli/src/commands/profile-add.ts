import { Command } from 'commander';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';
import { readProfileFile } from './profile-file.js';

export function profileAddCommand(terminal: Terminal): Command {
  const command = new Command('add')
    .description('add a version of a profile to the server; it never changes afterwards')
    .argument('<file>', 'profile in YAML')
    .action(async (file: string, options: ServerOptions) => {
      const { text } = await readProfileFile(file);
      using client = openClient(terminal, options);
      const added = await client.addProfile(text);
      terminal.report(added, [
        `profile ${added.name}, version ${String(added.version)}, is there`,
        `hash ${added.hash}`,
        '',
        'next:',
        `  certmill order create NAME --profile ${added.name} --quota N`,
      ]);
    });
  return withExamples(withServerOptions(command), [
    ['certmill profile add gateway.yaml', 'checked here and on the server'],
  ]);
}
