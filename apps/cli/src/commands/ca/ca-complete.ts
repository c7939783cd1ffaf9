import { Command } from 'commander';
import {
  type ChangedExtension,
  changedExtensions,
  completeAuthority,
  findAuthority,
  type Issuer,
} from '@certmill/trust';
import { withExamples } from '../../terminal/program.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import { readText } from '../../read-input.js';
import { keyAccessOf } from './ca-options.js';
import { authorityView } from './ca-view.js';

interface CompleteOptions {
  readonly data: string;
  readonly chain: string;
  readonly endsEarlier?: true;
  readonly narrowerConstraints?: true;
}

export function completeCommand(terminal: Terminal): Command {
  const command = new Command('complete')
    .description('take in the certificate that a CA has asked for')
    .argument('<name>', 'name of the CA')
    .requiredOption('--chain <file>', "certificates in PEM, the CA's first, the root last")
    .option(
      '--ends-earlier',
      'of a CA that is there: take it in though it ends earlier than the one in force',
    )
    .option(
      '--narrower-constraints',
      'of a CA that is there: take it in though it, or a CA above it, takes away what the CA may sign',
    )
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (name: string, options: CompleteOptions) => {
      const { data, chain, endsEarlier, narrowerConstraints } = options;
      const before = await findAuthority(data, name);
      const ca = await completeAuthority({
        directory: data,
        name,
        chainPem: await readText(chain),
        ...(endsEarlier === true ? { mayEndEarlier: true } : {}),
        ...(narrowerConstraints === true ? { mayNarrowConstraints: true } : {}),
        ...(await keyAccessOf(terminal, data, name)),
        nowMs: Date.now(),
      });
      const changed = before === undefined ? [] : changesOf(before, ca);
      terminal.report(
        { ...authorityView(ca), ...(changed.length === 0 ? {} : { changedExtensions: changed }) },
        [
          `CA ${name} is ready: ${ca.chainFile}`,
          ...changed.map((one) => `not as in the certificate before: ${textOf(one)}`),
        ],
      );
    });
  return withExamples(command, [
    ['certmill ca complete factory --chain factory-chain.pem', 'after somebody signed the request'],
  ]);
}

function changesOf(before: Issuer, after: Issuer): readonly ChangedExtension[] {
  const [old = new Uint8Array(), young = new Uint8Array()] = [before, after].map(
    ({ chainDer }) => chainDer[0],
  );
  return changedExtensions(old, young);
}

const changeTexts: Readonly<Record<ChangedExtension['change'], string>> = {
  gone: 'is gone',
  new: 'is new',
  other: 'says something else',
};

function textOf({ name, change }: ChangedExtension): string {
  return `${name} ${changeTexts[change]}`;
}
