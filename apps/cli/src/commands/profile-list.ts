import { Command } from 'commander';
import type { Profile } from '@certmill/domain';
import { authorityProfiles, builtInProfiles } from '@certmill/domain/profile-files';
import { caProfiles } from '@certmill/trust';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import { withExamples } from '../terminal/program.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';

interface ListOptions extends ServerOptions {
  readonly builtIn?: true;
}

export function profileListCommand(terminal: Terminal): Command {
  const command = new Command('list')
    .description('list the profiles of the tenant, or those that come with this release')
    .option('--built-in', 'the catalogue of this release; no server needed')
    .action(async (options: ListOptions) => {
      if (options.builtIn === true) {
        reportCatalogue(terminal);
        return;
      }
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
    ['certmill profile list --built-in', 'what comes with Certmill, and what each is for'],
  ]);
}

interface CatalogueEntry {
  readonly name: string;
  readonly version?: number;
  /** Orders; who holds the key of an issuer; `certmill ca`. */
  readonly usedBy: 'order' | 'issuer' | 'ca';
  readonly conformsTo?: string;
  readonly description: string;
}

function reportCatalogue(terminal: Terminal): void {
  const entryOf =
    (usedBy: CatalogueEntry['usedBy']) =>
    ({ name, version, conformsTo, description }: Profile): CatalogueEntry => ({
      ...{ name, version, usedBy, description },
      ...(conformsTo === undefined ? {} : { conformsTo }),
    });
  const profiles: CatalogueEntry[] = [
    ...[...builtInProfiles().values()].map(entryOf('order')),
    ...[...authorityProfiles().values()].map(entryOf('issuer')),
    ...Object.values(caProfiles).map(({ name, conformsTo, description }) => ({
      ...{ name, usedBy: 'ca' as const, conformsTo, description },
    })),
  ];
  const rows = profiles.map(({ name, version, usedBy, conformsTo, description }) => [
    ...[name, version ?? '', usedBy, conformsTo ?? '', description],
  ]);
  const headings = ['profile', 'version', 'used by', 'conforms to', 'for'];
  terminal.report({ profiles }, tableLines(headings, rows));
}
