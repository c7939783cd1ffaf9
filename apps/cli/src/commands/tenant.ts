import { Command, Option } from 'commander';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';

const roles = ['admin', 'operator', 'factory', 'auditor'];

interface CreateOptions extends ServerOptions {
  readonly role: string;
  readonly label: string;
}

export function tenantCommand(terminal: Terminal): Command {
  return new Command('tenant')
    .description('tenants: OEMs or product lines with orders of their own')
    .addCommand(tenantCreateCommand(terminal));
}

function tenantCreateCommand(terminal: Terminal): Command {
  const command = new Command('create')
    .description('open a tenant and print its first API key, once')
    .argument('<tenant>', 'its name: lower-case letters, digits, hyphens')
    .addOption(
      new Option('--role <role>', 'what the key may do').choices(roles).default('operator'),
    )
    .option('--label <text>', 'what the key is for', 'first credential')
    .action(async (tenant: string, { role, label, ...options }: CreateOptions) => {
      using client = openClient(terminal, options);
      await client.createTenant(tenant);
      const credential = await client.addCredential(tenant, role, label);
      terminal.report(credential, [
        `tenant ${tenant} is open; its ${role} key, shown this once:`,
        terminal.style('bold', credential.key),
        '',
        'keep it in a file that only you can read, then:',
        '  certmill order list --key-file FILE',
      ]);
    });
  return withExamples(withServerOptions(command), [
    ['certmill tenant create acme --key-file admin.key', 'with the key of an admin'],
    [
      'certmill tenant create acme --json | jq -r .key > acme.key',
      'the new key straight into a file',
    ],
  ]);
}
