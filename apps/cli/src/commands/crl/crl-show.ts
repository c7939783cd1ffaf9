import { Command } from 'commander';
import type { CrlScope, CrlStore } from '@certmill/ports';
import { openCrls } from '@certmill/standalone/folder';
import { withExamples } from '../../terminal/program.js';
import { formatDuration, formatNumber } from '../../terminal/quantities.js';
import { tableLines } from '../../terminal/table.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import { scopesOf } from './crl-scopes.js';

export function showCommand(terminal: Terminal): Command {
  const command = new Command('show')
    .description('numbers, times and entries of the CRLs in force, beside a running server too')
    .argument('[issuer]', 'of this issuer; default: of all')
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (issuer: string | undefined, options: { readonly data: string }) => {
      await using opened = await openCrls(options.data);
      const nowMs = Date.now();
      const crls = (await Promise.all(scopesOf(opened.issuers, issuer).map(inForce(opened.crls))))
        .flat()
        .map(({ crl, scope, kind }) => ({
          ...scope,
          kind,
          ...(crl === undefined
            ? {}
            : {
                crlNumber: String(crl.crlNumber),
                thisUpdate: new Date(crl.thisUpdateMs).toISOString(),
                nextUpdate: new Date(crl.nextUpdateMs).toISOString(),
                ageSeconds: Math.round((nowMs - crl.thisUpdateMs) / 1_000),
                entries: crl.entries,
              }),
        }));
      const rows = crls.map((crl) => [
        crl.issuer,
        crl.shard,
        crl.kind,
        crl.crlNumber ?? 'none yet',
        crl.entries === undefined ? '' : formatNumber(crl.entries),
        crl.ageSeconds === undefined ? '' : ageOf(crl.ageSeconds),
        crl.nextUpdate ?? '',
      ]);
      terminal.report(
        { crls },
        tableLines(['issuer', 'shard', 'kind', 'number', 'entries', 'age', 'next update'], rows),
      );
    });
  return withExamples(command, [
    ['certmill crl show', 'each shard of each issuer'],
    ['certmill crl show devices --json', 'of one issuer, for a script'],
  ]);
}

/** One of a clock that is or was ahead is to come. */
function ageOf(seconds: number): string {
  return seconds < 0 ? `in ${formatDuration(-seconds)}` : formatDuration(seconds);
}

function inForce(crls: Pick<CrlStore, 'describeCrl'>) {
  return async (scope: CrlScope) => {
    const full = await crls.describeCrl(scope, 'full');
    const delta = await crls.describeCrl(scope, 'delta');
    return [
      { scope, kind: 'full' as const, crl: full },
      ...(delta === undefined ? [] : [{ scope, kind: 'delta' as const, crl: delta }]),
    ];
  };
}
