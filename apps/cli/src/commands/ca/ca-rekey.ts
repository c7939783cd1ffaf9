import { Command } from 'commander';
import { type IssuerKeyType, rekeyAuthority } from '@certmill/trust';
import { passphraseOf } from '../../hierarchy.js';
import { withExamples } from '../../terminal/program.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import {
  keyOption,
  lifetimeOf,
  type LifetimeOptions,
  type ParentOptions,
  placeOf,
  withLifetimeOption,
  withParentOptions,
} from './ca-options.js';
import { parentOf } from './ca-renew.js';
import { authorityView } from './ca-view.js';

interface RekeyCommandOptions extends LifetimeOptions, ParentOptions {
  readonly data: string;
  readonly as: string;
  readonly under?: string;
  readonly key?: IssuerKeyType;
}

export function rekeyCommand(terminal: Terminal): Command {
  const command = new Command('rekey')
    .description('a CA of the same subject with a new key; the one before is retired')
    .argument('<name>', 'name of the CA')
    .requiredOption('--as <name>', 'name of the CA with the new key')
    .option('--under <ca>', 'the CA that signs it; default: the one that signed it before')
    .addOption(keyOption('that of the key before'))
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (name: string, options: RekeyCommandOptions) => {
      const { data, as: successor } = options;
      const parent = await placeOf(terminal, await parentOf(name, options), data, options);
      const ca = await rekeyAuthority({
        directory: data,
        name,
        successor,
        passphrase: await passphraseOf(terminal, data),
        parent,
        ...(options.key === undefined ? {} : { keyType: options.key }),
        ...lifetimeOf(options),
        nowMs: Date.now(),
      });
      terminal.report(authorityView(ca), [
        `CA ${successor} has the subject of ${name} and a new key: ${ca.chainFile}`,
        `${name} is retired: it opens no further orders, and signs the status of what it issued`,
      ]);
    });
  withParentOptions(withLifetimeOption(command));
  return withExamples(command, [
    ['certmill ca rekey factory --as factory-2', 'a key of the same type'],
    ['certmill ca rekey factory --as factory-pq --key ml-dsa-65', 'another algorithm'],
  ]);
}
