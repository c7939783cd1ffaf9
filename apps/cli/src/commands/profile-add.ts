import { Command } from 'commander';
import { withApprovalOptions, type ApprovalOptions } from '../ceremony/approval-options.js';
import { askForApproved } from '../ceremony/ask-for-approved.js';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';
import { readProfileFile } from './profile-file.js';

export function profileAddCommand(terminal: Terminal): Command {
  const command = new Command('add')
    .description('add a version of a profile to the server; it never changes afterwards')
    .argument('<file>', 'profile in YAML')
    .action(async (file: string, options: ServerOptions & ApprovalOptions) => {
      const { text } = await readProfileFile(file);
      using client = openClient(terminal, options);
      const added = await askForApproved(terminal, options, (approved) =>
        client.addProfile(text, approved),
      );
      terminal.report(added, [
        `profile ${added.name}, version ${String(added.version)}, is there`,
        `hash ${added.hash}`,
        '',
        'next:',
        `  certmill order create NAME --profile ${added.name} --quota N`,
      ]);
    });
  return withExamples(withApprovalOptions(withServerOptions(command)), [
    ['certmill profile add gateway.yaml', 'checked here and on the server'],
    [
      'certmill profile add gateway.yaml --propose op.json',
      'where the server has a quorum: what its people are to approve',
    ],
  ]);
}
