import { Command } from 'commander';
import { pemEncode } from '@certmill/der';
import { CertmillError } from '@certmill/domain';
import type { CrlKind } from '@certmill/pipeline';
import { openCrls } from '@certmill/standalone/folder';
import { writeResult } from '../../result-file.js';
import { withExamples } from '../../terminal/program.js';
import { formatNumber } from '../../terminal/quantities.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import { parseShard, type ScopeOptions, scopesOf } from './crl-scopes.js';

interface FetchOptions extends ScopeOptions {
  readonly out: string;
  readonly pem?: boolean;
}

export function fetchCommand(terminal: Terminal): Command {
  const command = new Command('fetch')
    .description('write a CRL in force to a file, beside a running server too')
    .argument('<issuer>', 'issuing CA')
    .requiredOption('--out <file>', 'file to write')
    .option('--shard <number>', 'of this shard', parseShard, 0)
    .option('--delta', 'the delta CRL')
    .option('--pem', 'as PEM; default: DER')
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (issuer: string, options: FetchOptions) => {
      await using opened = await openCrls(options.data);
      const [scope] = scopesOf(opened.issuers, issuer, options.shard);
      const kind: CrlKind = options.delta === true ? 'delta' : 'full';
      const crl = scope && (await opened.crls.getCrl(scope, kind));
      if (crl === undefined) {
        throw new CertmillError(
          'NOT_FOUND',
          `there is no ${kind} CRL of issuer ${issuer}, shard ${String(options.shard)} yet; ` +
            `make one with 'certmill crl build ${issuer}'`,
        );
      }
      await writeResult(
        options.out,
        options.pem === true ? pemEncode('X509 CRL', crl.der) : crl.der,
      );
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
