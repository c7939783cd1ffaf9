import { createReadStream } from 'node:fs';
import { Command, Option } from 'commander';
import { CertmillError } from '@certmill/domain';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import { withExamples } from '../terminal/program.js';
import { formatNumber } from '../terminal/quantities.js';
import type { Terminal } from '../terminal/terminal.js';

interface ImportOptions extends ServerOptions {
  readonly format?: 'csv' | 'ndjson';
}

export function deviceImportCommand(terminal: Terminal): Command {
  const command = new Command('import')
    .description('replace the allow-list of an order')
    .argument('<order>')
    .argument('<file>', "CSV with a header, or NDJSON; '-' for stdin")
    .addOption(
      new Option('--format <format>', 'default: by the name of the file, else csv').choices([
        'csv',
        'ndjson',
      ]),
    )
    .action(async (orderId: string, file: string, options: ImportOptions) => {
      using client = openClient(terminal, options);
      // Asked first: an upload that cannot work is not begun.
      await client.getOrder(orderId);
      const format =
        options.format ?? (/\.(?:ndjson|jsonl)(?:\.(?:gz|zst))?$/i.test(file) ? 'ndjson' : 'csv');
      const mediaType = format === 'csv' ? 'text/csv' : 'application/x-ndjson';
      const devices = await client.importDevices(orderId, mediaType, read(file, terminal));
      terminal.report({ orderId, devices }, [
        `${formatNumber(devices)} devices are on the allow-list of ${orderId}`,
      ]);
    });
  return withExamples(withServerOptions(command), [
    ['certmill device import spring-run devices.csv', 'columns deviceId, udid, serial, ...'],
    ['certmill device import spring-run devices.ndjson.gz', 'gzip and zstd as they are'],
    ['make-list | certmill device import spring-run -', 'from a pipe'],
  ]);
}

async function* read(file: string, terminal: Terminal): AsyncGenerator<Uint8Array> {
  try {
    if (file === '-') yield* terminal.readStdin();
    else yield* createReadStream(file) as AsyncIterable<Uint8Array>;
  } catch (cause) {
    terminal.signal.throwIfAborted();
    throw new CertmillError('INVALID_INPUT', `cannot read ${file}`, { cause });
  }
}
