import { Command } from 'commander';
import { CertmillError } from '@certmill/domain';
import {
  authorityIn,
  type IssuerKeyType,
  rekeyAuthority,
  rekeyRoot,
  rootName,
} from '@certmill/trust';
import { withExamples } from '../../terminal/program.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import {
  keyAccessOf,
  keyOption,
  newKeyPlaceOf,
  firstLifetime,
  lifetimeOf,
  type LifetimeOptions,
  type ParentOptions,
  placeOf,
  type SlotOption,
  statusOf,
  type StatusOptions,
  withLifetimeOption,
  withParentOptions,
  withSlotOption,
  withStatusOptions,
} from './ca-options.js';
import { parentOf } from './ca-renew.js';
import { authorityView } from './ca-view.js';

interface RekeyCommandOptions extends LifetimeOptions, ParentOptions, StatusOptions, SlotOption {
  readonly data: string;
  readonly as?: string;
  readonly into?: string;
  readonly under?: string;
  readonly key?: IssuerKeyType;
}

export function rekeyCommand(terminal: Terminal): Command {
  const command = new Command('rekey')
    .description('a CA of the same subject with a new key; the one before is retired')
    .argument('<name>', 'name of the CA')
    .option('--as <name>', 'name of the CA with the new key')
    .option('--into <dir>', 'of a root: data folder of the root with the new key')
    .option('--under <ca>', 'the CA that signs it; default: the one that signed it before')
    .addOption(keyOption('that of the key before'))
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (name: string, options: RekeyCommandOptions) => {
      if (name === rootName) {
        await rekeyRootIn(terminal, options);
        return;
      }
      const { data, as: successor } = options;
      if (successor === undefined || options.into !== undefined) {
        throw new CertmillError('INVALID_INPUT', 'a CA below a root gets a new name: --as NAME');
      }
      const parent = await placeOf(terminal, await parentOf(name, options), data, options);
      const ca = await rekeyAuthority({
        directory: data,
        name,
        successor,
        ...(await newKeyPlaceOf(terminal, data, options, await authorityIn(data, name))),
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
  withStatusOptions(withParentOptions(withLifetimeOption(withSlotOption(command), firstLifetime)));
  return withExamples(command, [
    ['certmill ca rekey factory --as factory-2', 'a key of the same type'],
    ['certmill ca rekey factory --as factory-pq --key ml-dsa-65', 'another algorithm'],
    [
      'certmill ca rekey root --data /media/root --into /media/root-2',
      'a root, and certificates by which the old and the new key vouch for each other',
    ],
  ]);
}

/** Of a root the name stays: it gets a folder instead. */
async function rekeyRootIn(terminal: Terminal, options: RekeyCommandOptions): Promise<void> {
  const { data, into } = options;
  if (into === undefined || options.as !== undefined || options.under !== undefined) {
    throw new CertmillError(
      'INVALID_INPUT',
      'a root keeps its name, and nothing is above it: give --into DIR alone',
    );
  }
  const { slot, ...access } = await newKeyPlaceOf(
    terminal,
    into,
    options,
    await authorityIn(data, rootName),
  );
  const { root, newWithOld, oldWithNew } = await rekeyRoot({
    from: { directory: data, ...(await keyAccessOf(terminal, data, rootName)) },
    into: { directory: into, ...access },
    ...(slot === undefined ? {} : { slot }),
    ...(options.key === undefined ? {} : { keyType: options.key }),
    ...lifetimeOf(options),
    ...statusOf(options),
    nowMs: Date.now(),
  });
  const files = { newWithOldFile: newWithOld.file, oldWithNewFile: oldWithNew.file };
  terminal.report({ ...authorityView(root), ...files }, [
    `root ${root.subject} has a new key: ${root.chainFile}`,
    `for who trusts the key before: ${newWithOld.file}`,
    `for what the key before has signed: ${oldWithNew.file}`,
  ]);
}
