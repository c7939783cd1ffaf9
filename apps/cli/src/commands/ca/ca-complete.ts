import { Command } from 'commander';
import { completeAuthority } from '@certmill/trust';
import { withExamples } from '../../terminal/program.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import { readText } from '../../read-input.js';
import { keyAccessOf } from './ca-options.js';
import { authorityView } from './ca-view.js';

export function completeCommand(terminal: Terminal): Command {
  const command = new Command('complete')
    .description('take in the certificate that a CA has asked for')
    .argument('<name>', 'name of the CA')
    .requiredOption('--chain <file>', "certificates in PEM, the CA's first, the root last")
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (name: string, { data, chain }: { data: string; chain: string }) => {
      const ca = await completeAuthority({
        directory: data,
        name,
        chainPem: await readText(chain),
        ...(await keyAccessOf(terminal, data, name)),
        nowMs: Date.now(),
      });
      terminal.report(authorityView(ca), [`CA ${name} is ready: ${ca.chainFile}`]);
    });
  return withExamples(command, [
    ['certmill ca complete factory --chain factory-chain.pem', 'after somebody signed the request'],
  ]);
}
