import { Command } from 'commander';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import { withExamples } from '../terminal/program.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';

export function profileListCommand(terminal: Terminal): Command {
  const command = new Command('list')
    .description('list the profiles of the tenant')
    .action(async (options: ServerOptions) => {
      using client = openClient(terminal, options);
      const profiles = await client.listProfiles();
      const rows = profiles.map(({ name, version, hash, addedAt }) => [
        name,
        version,
        hash.slice(0, 16),
        addedAt.slice(0, 10),
      ]);
      terminal.report({ profiles }, tableLines(['profile', 'version', 'hash', 'added'], rows));
    });
  return withExamples(withServerOptions(command), [
    ['certmill profile list', 'names, versions and hashes'],
  ]);
}
