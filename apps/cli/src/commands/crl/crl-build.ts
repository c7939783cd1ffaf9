import { Command } from 'commander';
import { buildCrl, silentObserver, type CrlKind } from '@certmill/pipeline';
import { takeDataFolder } from '@certmill/standalone/folder';
import { withExamples } from '../../terminal/program.js';
import { formatNumber } from '../../terminal/quantities.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import { parseShard, type ScopeOptions, scopesOf } from './crl-scopes.js';

interface BuildOptions extends ScopeOptions {
  readonly config?: string;
}

export function buildCommand(terminal: Terminal): Command {
  const command = new Command('build')
    .description('make CRLs now, on this machine; a server that runs makes them by itself')
    .argument('<issuer>', 'issuing CA')
    .option('--shard <number>', 'of this shard; default: of all', parseShard)
    .option('--delta', 'what changed since the full CRL')
    .option('--config <file>', "the server's configuration: how long its CRLs are good for")
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (issuer: string, options: BuildOptions) => {
      const { openIssuance, readServeConfig } = await import('@certmill/standalone');
      const { crlPolicyOf } = await import('@certmill/platform');
      const config = { ...readServeConfig(options.config), data: options.data };
      const folder = takeDataFolder(options.data);
      try {
        const issuance = await openIssuance(folder, config, silentObserver);
        try {
          const { store, signer, services } = issuance;
          const ports = { revocations: store, crls: store, signer, clock: services.clock };
          const scopes = scopesOf(issuance.issuers, issuer, options.shard);
          const kind: CrlKind = options.delta === true ? 'delta' : 'full';
          const policy = crlPolicyOf(config.crls);
          const made = [];
          for (const scope of scopes) {
            const crl = await buildCrl(ports, policy, scope, kind);
            const { crlNumber, nextUpdateMs, entries, bytes } = crl;
            const nextUpdate = new Date(nextUpdateMs).toISOString();
            const number = String(crlNumber);
            made.push({ ...scope, kind, crlNumber: number, nextUpdate, entries, bytes });
          }
          const entries = made.reduce((sum, crl) => sum + crl.entries, 0);
          terminal.report({ crls: made }, [
            `made ${formatNumber(made.length)} CRLs of issuer ${issuer}, ${formatNumber(entries)} entries in all`,
          ]);
        } finally {
          await issuance.stop(5_000);
        }
      } finally {
        folder.release();
      }
    });
  return withExamples(command, [
    ['certmill crl build devices', 'each shard'],
    ['certmill crl build devices --shard 3 --config certmill.yaml', 'one, as the server makes it'],
  ]);
}
