import { Command, Option } from 'commander';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import { fetchBatch } from '../fetch/fetch-batch.js';
import { fetchFormats, type FetchFormat } from '../fetch/fetch-format.js';
import { withExamples } from '../terminal/program.js';
import { formatNumber } from '../terminal/quantities.js';
import type { Terminal } from '../terminal/terminal.js';

interface CommandOptions extends ServerOptions {
  readonly out: string;
  readonly format: FetchFormat;
  readonly manifestKey?: string;
}

export function fetchCommand(terminal: Terminal): Command {
  const command = new Command('fetch')
    .description('download the certificates of a batch, checked against its signed manifest')
    .argument('<batch>', 'batch id')
    .requiredOption('--out <path>', 'a folder (existing, or with / at the end) or a file')
    .addOption(new Option('--format <format>').choices(fetchFormats).default('pem'))
    .option('--manifest-key <file>', 'public key that must have signed the manifest, in PEM')
    .addHelpText(
      'after',
      `
Waits for the end of the batch. Run again, it goes on where it broke off. A batch with dead letters has
no manifest, so nothing is kept of it until they are settled (dead-letters). A folder also gets
manifest.ndjson and, where there are any, rejections.ndjson. pem, der and ndjson are compared with the
manifest certificate by certificate; p7b, tar and zip are kept as the server makes them.
Without --manifest-key the check shows that nothing broke on the way, not who signed.`,
    )
    .action(async (batchId: string, options: CommandOptions) => {
      using client = openClient(terminal, options);
      const fetched = await fetchBatch(client, await client.getBatch(batchId), {
        out: options.out,
        format: options.format,
        ...(options.manifestKey === undefined ? {} : { manifestKeyFile: options.manifestKey }),
        terminal,
      });
      terminal.report({ batchId, ...fetched }, [
        `${formatNumber(fetched.certificates)} certificates, as the manifest lists them`,
        ...fetched.files.map((file) => `wrote ${file}`),
      ]);
    });
  return withExamples(withServerOptions(command, 120), [
    ['certmill fetch 9f2c41d07be35a6680d1c2b3a4 --out ./certs/', 'one PEM file, with its manifest'],
    ['certmill fetch 9f2c41d07be35a6680d1c2b3a4 --out ./certs/ --format der', 'a file for each'],
  ]);
}
