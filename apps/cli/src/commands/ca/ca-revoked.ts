import { Command } from 'commander';
import { authorityIn, revokedBefore, revokedBeforeText } from '@certmill/trust';
import { writeResult } from '../../result-file.js';
import { withExamples } from '../../terminal/program.js';
import { tableLines } from '../../terminal/table.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';

interface RevokedOptions {
  readonly data: string;
  readonly out?: string;
}

export function revokedCommand(terminal: Terminal): Command {
  const command = new Command('revoked')
    .description(
      'the keys that a root signs nothing over: those it has revoked, those of the keys before it, and those that its folder knows to be lost',
    )
    .argument('[name]', 'a CA of the data folder', 'root')
    .option('-o, --out <file>', 'for the root with the next key: revokedBefore of make-root')
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (name: string, { data, out }: RevokedOptions) => {
      const keys = revokedBefore(data, await authorityIn(data, name));
      if (out !== undefined) await writeResult(out, revokedBeforeText(keys));
      const rows = keys.map((key) => [
        key.subject,
        key.reason,
        new Date(key.revokedAtMs).toISOString(),
        key.keySha256,
      ]);
      terminal.report(
        {
          name,
          keys: keys.map(({ subject, reason, revokedAtMs, keySha256 }) => ({
            ...{ subject, reason, keySha256 },
            revokedAt: new Date(revokedAtMs).toISOString(),
          })),
          ...(out === undefined ? {} : { file: out }),
        },
        [
          ...(keys.length === 0
            ? [`'${name}' knows of no revoked key`]
            : tableLines(['subject', 'reason', 'revoked', 'SHA-256 of the key'], rows)),
          ...(out === undefined ? [] : [`${String(keys.length)} keys: ${out}`]),
        ],
      );
    });
  return withExamples(command, [
    ['certmill ca revoked --data /media/root', 'what the root has to refuse'],
    [
      'certmill ca revoked root --data /media/root --out revoked-before.json',
      'for the ceremony that makes the root with the next key',
    ],
  ]);
}
