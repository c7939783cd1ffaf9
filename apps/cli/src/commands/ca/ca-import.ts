import { Command } from 'commander';
import { importIssuer, readPassphrase } from '@certmill/trust';
import { passphraseOf } from '../../hierarchy.js';
import { withExamples } from '../../terminal/program.js';
import type { Terminal } from '../../terminal/terminal.js';
import { dataOption } from '../data-option.js';
import { readText } from '../../read-input.js';
import { authorityView } from './ca-view.js';
import { heldFolder } from './held-folder.js';

export function importCommand(terminal: Terminal): Command {
  const command = new Command('import')
    .description('take in an issuing key (encrypted PKCS#8) with its chain')
    .argument('<name>', 'name of the issuing CA')
    .requiredOption('--key <file>', 'private key, encrypted PKCS#8 in PEM')
    .requiredOption('--chain <file>', 'certificates in PEM, the issuing CA first, the root last')
    .option(
      '--key-passphrase-file <file>',
      'passphrase of the key file; default: that of this data folder',
    )
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(
      async (
        name: string,
        options: { data: string; key: string; chain: string; keyPassphraseFile?: string },
      ) => {
        using folder = heldFolder(options.data);
        const passphrase = await passphraseOf(terminal, folder.directory);
        const keyPassphrase =
          options.keyPassphraseFile === undefined
            ? passphrase
            : await readPassphrase({ file: options.keyPassphraseFile }, terminal.env);
        const issuer = await importIssuer({
          name,
          directory: folder.directory,
          keyPem: await readText(options.key),
          chainPem: await readText(options.chain),
          keyPassphrase,
          passphrase,
          nowMs: Date.now(),
        });
        terminal.report(authorityView(issuer), [`took in issuing CA ${name}: ${issuer.subject}`]);
      },
    );
  return withExamples(command, [
    [
      'certmill ca import factory-b --key ca-key.pem --chain ca-chain.pem',
      'key and chain made elsewhere',
    ],
  ]);
}
