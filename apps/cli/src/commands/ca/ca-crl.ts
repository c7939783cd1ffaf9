import { Command } from 'commander';
import { issueCaCrl } from '@certmill/trust';
import { pemEncode } from '@certmill/der';
import { ResultFile } from '../../result-file.js';
import { withExamples } from '../../terminal/program.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import { placeOf, secondsOf } from './ca-options.js';

interface CrlOptions {
  readonly data: string;
  readonly next: string;
  readonly out?: string;
}

export function crlCommand(terminal: Terminal): Command {
  const command = new Command('crl')
    .description('make the CRL of a CA over the CA certificates that it has revoked')
    .argument('<name>', 'name of the CA whose key is here')
    .option(
      '--next <time>',
      'time until the next one: of an offline CA, longer than it rests',
      '90d',
    )
    .option('-o, --out <file>', 'a copy to be carried; PEM where it ends in .pem, else DER')
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (name: string, { data, next, out }: CrlOptions) => {
      const place = await placeOf(terminal, name, data, {});
      await using copy = out === undefined ? undefined : await ResultFile.open(out);
      const crl = await issueCaCrl(place, secondsOf(next), Date.now());
      const isPem = out?.endsWith('.pem') === true;
      await copy?.write(isPem ? pemEncode('X509 CRL', crl.der) : crl.der);
      const nextUpdate = new Date(crl.nextUpdateMs).toISOString();
      const file = out ?? crl.file;
      terminal.report(
        { name, crlNumber: String(crl.crlNumber), entries: crl.entries, nextUpdate, file },
        [`CRL of ${name}: ${String(crl.entries)} entries, next update ${nextUpdate}: ${file}`],
      );
    });
  return withExamples(command, [
    ['certmill ca crl root --data /media/root --next 1y --out root.crl', 'of an offline root'],
  ]);
}
