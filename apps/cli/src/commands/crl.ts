import { writeFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import { pemEncode } from '@certmill/der';
import { CertmillError } from '@certmill/domain';
import { buildCrl, defaultCrlPolicy, silentObserver, type CrlKind } from '@certmill/pipeline';
import type { CrlScope, CrlStore } from '@certmill/ports';
import {
  openIssuance,
  openStoreForReading,
  standaloneSchema,
  takeDataFolder,
} from '@certmill/standalone';
import type { Issuer } from '@certmill/trust';
import { withExamples } from '../terminal/program.js';
import { formatDuration, formatNumber } from '../terminal/quantities.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';
import { dataOption } from './data-option.js';

export function crlCommand(terminal: Terminal): Command {
  return new Command('crl')
    .description('certificate revocation lists of a data folder: show, build, fetch')
    .addCommand(showCommand(terminal))
    .addCommand(buildCommand(terminal))
    .addCommand(fetchCommand(terminal));
}

function showCommand(terminal: Terminal): Command {
  const command = new Command('show')
    .description('numbers, times and entries of the CRLs in force; the server must be stopped')
    .argument('[issuer]', 'of this issuer; default: of all')
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (issuer: string | undefined, options: { readonly data: string }) => {
      await using opened = await openStoreForReading(options.data);
      const nowMs = Date.now();
      const crls = (await Promise.all(scopesOf(opened.issuers, issuer).map(inForce(opened.store))))
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
        crl.ageSeconds === undefined ? '' : formatDuration(crl.ageSeconds),
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

interface ScopeOptions {
  readonly data: string;
  readonly shard?: number;
  readonly delta?: boolean;
}

function buildCommand(terminal: Terminal): Command {
  const command = new Command('build')
    .description('make CRLs now, on this machine; a server that runs makes them by itself')
    .argument('<issuer>', 'issuing CA')
    .option('--shard <number>', 'of this shard; default: of all', parseShard)
    .option('--delta', 'what changed since the full CRL')
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (issuer: string, options: ScopeOptions) => {
      const folder = takeDataFolder(options.data);
      try {
        const config = standaloneSchema.parse({ data: options.data });
        const issuance = await openIssuance(folder, config, silentObserver);
        try {
          const { store, signer, services } = issuance;
          const ports = { revocations: store, crls: store, signer, clock: services.clock };
          const scopes = scopesOf(issuance.issuers, issuer, options.shard);
          const kind: CrlKind = options.delta === true ? 'delta' : 'full';
          const made = [];
          for (const scope of scopes) {
            const { crlNumber, entries, bytes } = await buildCrl(
              ports,
              defaultCrlPolicy,
              scope,
              kind,
            );
            made.push({ ...scope, kind, crlNumber: String(crlNumber), entries, bytes });
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
    ['certmill crl build devices --shard 3', 'one of them'],
  ]);
}

interface FetchOptions extends ScopeOptions {
  readonly out: string;
  readonly pem?: boolean;
}

function fetchCommand(terminal: Terminal): Command {
  const command = new Command('fetch')
    .description('write a CRL in force to a file, DER or PEM; the server must be stopped')
    .argument('<issuer>', 'issuing CA')
    .requiredOption('--out <file>', 'file to write')
    .option('--shard <number>', 'of this shard', parseShard, 0)
    .option('--delta', 'the delta CRL')
    .option('--pem', 'as PEM')
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (issuer: string, options: FetchOptions) => {
      await using opened = await openStoreForReading(options.data);
      const [scope] = scopesOf(opened.issuers, issuer, options.shard);
      const kind: CrlKind = options.delta === true ? 'delta' : 'full';
      const crl = scope && (await opened.store.getCrl(scope, kind));
      if (crl === undefined) {
        throw new CertmillError(
          'NOT_FOUND',
          `there is no ${kind} CRL of issuer ${issuer}, shard ${String(options.shard)} yet; ` +
            `make one with 'certmill crl build ${issuer}'`,
        );
      }
      await writeFile(options.out, options.pem === true ? pemEncode('X509 CRL', crl.der) : crl.der);
      const { crlNumber, entries } = crl;
      terminal.report(
        { file: options.out, ...crl.scope, kind, crlNumber: String(crlNumber), entries },
        [`CRL ${String(crlNumber)}, ${formatNumber(entries)} entries: ${options.out}`],
      );
    });
  return withExamples(command, [
    ['certmill crl fetch devices --shard 3 --out 3.crl', 'DER, as it is served'],
    ['certmill crl fetch devices --pem --out devices.pem', 'for openssl crl -in'],
  ]);
}

function parseShard(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('a shard is a number from 0');
}

/** NOT_FOUND for an issuer or a shard that is not there. */
function scopesOf(
  issuers: readonly Pick<Issuer, 'name' | 'status'>[],
  issuer?: string,
  shard?: number,
): readonly CrlScope[] {
  const wanted = issuers.filter(({ name }) => issuer === undefined || name === issuer);
  if (issuer !== undefined && wanted.length === 0) {
    throw new CertmillError(
      'NOT_FOUND',
      `there is no issuer '${issuer.slice(0, 80)}' in this folder`,
    );
  }
  const scopes = wanted.flatMap(({ name, status }) =>
    Array.from({ length: Math.max(1, status?.crlShards ?? 0) }, (_, each) => ({
      issuer: name,
      shard: each,
    })),
  );
  if (shard === undefined) return scopes;
  const found = scopes.filter((scope) => scope.shard === shard);
  if (found.length > 0) return found;
  throw new CertmillError('NOT_FOUND', `the issuer has no shard ${String(shard)}`);
}

function inForce(store: CrlStore) {
  return async (scope: CrlScope) => {
    const full = await store.describeCrl(scope, 'full');
    const delta = await store.describeCrl(scope, 'delta');
    return [
      { scope, kind: 'full' as const, crl: full },
      ...(delta === undefined ? [] : [{ scope, kind: 'delta' as const, crl: delta }]),
    ];
  };
}
