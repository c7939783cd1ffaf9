import { Command, Option } from 'commander';
import { newCaKeyTypes } from '@certmill/domain';
import { createHierarchy, type IssuerKeyType, rootName } from '@certmill/trust';
import { passphraseOf } from '../../hierarchy.js';
import { withExamples } from '../../terminal/program.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import { keyOption, statusOf, type StatusOptions, withStatusOptions } from './ca-options.js';
import { authorityView } from './ca-view.js';
import { makeFirstCrl } from './first-crl.js';
import { heldFolder } from './held-folder.js';

export function initCommand(terminal: Terminal): Command {
  const command = new Command('init')
    .description('make a root (first time) and an issuing CA under it')
    .argument('[name]', 'name of the issuing CA', 'issuing')
    .addOption(dataOption())
    .option('--organization <name>', 'organizationName of the subjects')
    .addOption(keyOption('ec-p256'))
    .addOption(
      new Option(
        '--root-key <type>',
        'key of the root, where it is made; default: ec-p384',
      ).choices(newCaKeyTypes),
    )
    .option('--root <dir>', 'data folder of the root, where it is kept elsewhere')
    .option('--json', 'print one JSON object')
    .action(
      async (
        name: string,
        options: {
          data: string;
          organization?: string;
          key?: IssuerKeyType;
          rootKey?: IssuerKeyType;
          root?: string;
        } & StatusOptions,
      ) => {
        using folder = heldFolder(options.data);
        const { directory } = folder;
        const passphrase = await passphraseOf(terminal, directory);
        const root =
          options.root === undefined
            ? { directory, passphrase }
            : {
                directory: options.root,
                passphrase: await passphraseOf(terminal, options.root),
              };
        const nowMs = Date.now();
        const issuer = await createHierarchy({
          name,
          directory,
          passphrase,
          rootDirectory: root.directory,
          rootPassphrase: root.passphrase,
          ...(options.key === undefined ? {} : { keyType: options.key }),
          ...statusOf(options),
          ...(options.rootKey === undefined ? {} : { rootKeyType: options.rootKey }),
          ...(options.organization === undefined ? {} : { organization: options.organization }),
          nowMs,
        });
        await makeFirstCrl({ ...root, name: rootName }, nowMs);
        terminal.report(authorityView(issuer), [`made issuing CA ${name}: ${issuer.chainFile}`]);
      },
    );
  return withExamples(withStatusOptions(command), [
    ['certmill ca init', 'a root and the CA "issuing" in ./certmill-data/ca'],
    [
      'CERTMILL_CA_PASSPHRASE_FILE=/run/secrets/ca certmill ca init factory-a',
      'a further issuing CA',
    ],
    ['certmill ca init factory-b --root /media/root', 'the root lies in a folder of its own'],
    ['certmill ca init pq --key ml-dsa-65 --root-key ml-dsa-87', 'post-quantum signatures'],
  ]);
}
