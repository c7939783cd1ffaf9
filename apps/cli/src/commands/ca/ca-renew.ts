import { Command } from 'commander';
import { authorityIn, renewAuthority } from '@certmill/trust';
import { CertmillError } from '@certmill/domain';
import { withExamples } from '../../terminal/program.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import {
  firstLifetime,
  lifetimeOf,
  type LifetimeOptions,
  type ParentOptions,
  placeOf,
  withLifetimeOption,
  withParentOptions,
} from './ca-options.js';
import { authorityView, lifeOf } from './ca-view.js';

interface RenewOptions extends LifetimeOptions, ParentOptions {
  readonly data: string;
  readonly under?: string;
}

export function renewCommand(terminal: Terminal): Command {
  const command = new Command('renew')
    .description('a new certificate for the same subject and key')
    .argument('<name>', 'name of the CA')
    .option('--under <ca>', 'the CA that signs it; default: the one that signed it before')
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (name: string, options: RenewOptions) => {
      const { data } = options;
      const parent = await placeOf(terminal, await parentOf(name, options), data, options);
      const ca = await renewAuthority({
        directory: data,
        name,
        parent,
        ...lifetimeOf(options),
        nowMs: Date.now(),
      });
      terminal.report(authorityView(ca), [`renewed CA ${name}: valid until ${lifeOf(ca)}`]);
    });
  withParentOptions(withLifetimeOption(command, firstLifetime));
  return withExamples(command, [
    ['certmill ca renew oem --lifetime 20y', 'chains through it have the new certificate'],
    ['certmill ca renew root', 'a root signs itself'],
  ]);
}

/** The CA above by name: what the command says, or what the folder knows. */
export async function parentOf(
  name: string,
  { data, under, parentData }: { data: string; under?: string } & ParentOptions,
): Promise<string> {
  if (under !== undefined) return under;
  const ca = await authorityIn(data, name);
  if (ca.role === 'root') return name;
  if (ca.parent !== undefined) return ca.parent;
  if (parentData !== undefined) return 'root';
  throw new CertmillError(
    'INVALID_INPUT',
    `the CA above '${name}' is not in this folder: give --under and --parent-data, or make a ` +
      `request: certmill ca request ${name} --renewal`,
  );
}
