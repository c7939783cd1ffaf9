import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { CertmillError } from '@certmill/domain';
import { importCaCrl, inspect } from '@certmill/trust';
import { withExamples } from '../../terminal/program.js';
import { formatNumber } from '../../terminal/quantities.js';
import type { Terminal } from '../../terminal/terminal.js';
import { collected } from '../ca/ca-options.js';
import { dataOption } from '../data-option.js';

interface ImportOptions {
  readonly data: string;
  readonly as?: string;
  readonly released: readonly string[];
}

export function importCommand(terminal: Terminal): Command {
  const command = new Command('import')
    .description('take in the CRL of a CA above whose key is elsewhere, such as an offline root')
    .argument('<file>', 'the CRL, DER or PEM')
    .option('--as <name>', 'name that it is served by: /crl/<name>/ca.crl; default: what is known')
    .option(
      '--released <serial>',
      'a certificate that the list before revoked and this one leaves out: it has expired, or may sign again',
      collected,
      [],
    )
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (file: string, { data, as: name, released }: ImportOptions) => {
      const { crl, isNew, revoked } = await importCaCrl({
        directory: data,
        crlDer: await crlIn(file),
        released,
        nowMs: Date.now(),
        ...(name === undefined ? {} : { name }),
      });
      const nextUpdate = new Date(crl.nextUpdateMs).toISOString();
      const entries = crl.revoked.size;
      terminal.report(
        {
          ...{ ca: crl.ca, crlNumber: String(crl.crlNumber), nextUpdate, entries, isNew },
          revoked: revoked.map((ca) => ca.name),
        },
        [
          `${isNew ? 'took in' : 'already here:'} CRL ${String(crl.crlNumber)} of ${crl.ca}, ` +
            `${formatNumber(entries)} entries, next update ${nextUpdate}`,
          ...revoked.map((ca) => `CA ${ca.name} signs nothing any more`),
        ],
      );
    });
  return withExamples(command, [
    ['certmill crl import root.crl', 'what the machine of the offline root has made'],
    ['certmill crl import their-root.crl --as their-root', 'of a root of somebody else'],
  ]);
}

async function crlIn(file: string): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    throw new CertmillError('INVALID_INPUT', `cannot read ${file}`, { cause });
  }
  const [crl, ...more] = inspect(bytes).flatMap(({ object }) =>
    object?.kind === 'crl' ? [object.der] : [],
  );
  if (crl !== undefined && more.length === 0) return crl;
  throw new CertmillError('INVALID_INPUT', `${file} does not hold one CRL, DER or PEM`);
}
