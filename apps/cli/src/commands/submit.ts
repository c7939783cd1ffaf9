import { Command, Option } from 'commander';
import { readInputs } from '@certmill/pipeline';
import { idempotencyKeyOf } from '../client/idempotency-key.js';
import type { IssuanceClient } from '../client/issuance-client.js';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import { uploadBatch } from '../client/upload-batch.js';
import type { BatchView } from '../client/views.js';
import { fetchBatch } from '../fetch/fetch-batch.js';
import { fetchFormats, type FetchFormat } from '../fetch/fetch-format.js';
import { withExamples } from '../terminal/program.js';
import { formatNumber } from '../terminal/quantities.js';
import type { Terminal } from '../terminal/terminal.js';
import { batchLines, nextLines } from './batch-lines.js';
import { followBatch } from './follow-batch.js';

/** Refused inputs that are named one by one; the others are counted. */
const namedRefusals = 10;

interface SubmitOptions extends ServerOptions {
  readonly order: string;
  readonly key?: string;
  readonly watch?: boolean;
  readonly out?: string;
  readonly format: FetchFormat;
}

export function submitCommand(terminal: Terminal): Command {
  const command = new Command('submit')
    .description('upload CSRs as one batch; run again, it goes on where it stopped')
    .argument('<input...>', "files or folders of CSRs; '-' for stdin")
    .requiredOption('--order <order>', 'order that allows them')
    .option('--key <key>', 'Idempotency-Key (default: from path, size and time of the inputs)')
    .option('--watch', 'wait until every request has its outcome')
    .option('--out <path>', 'wait, then fetch the certificates into this file or folder')
    .addOption(new Option('--format <format>', 'of --out').choices(fetchFormats).default('pem'))
    .action((inputs: string[], options: SubmitOptions) => submit(inputs, options, terminal));
  return withExamples(withServerOptions(command, 120), [
    ['certmill submit ./my-csrs --order spring-run', 'a folder; prints the batch id'],
    [
      'certmill submit requests.ndjson.gz --order spring-run --out ./certs/',
      'all the way to certificates',
    ],
    ['make-csrs | certmill submit - --order lab --watch', 'from a pipe, which cannot be resumed'],
  ]);
}

async function submit(
  inputs: readonly string[],
  options: SubmitOptions,
  terminal: Terminal,
): Promise<void> {
  using client = openClient(terminal, options);
  const idempotencyKey = options.key ?? (await idempotencyKeyOf(inputs));
  const uploaded = await upload(client, inputs, { ...options, idempotencyKey }, terminal);
  const { batchId } = uploaded;
  if (options.watch !== true && options.out === undefined) {
    terminal.report({ ...uploaded, idempotencyKey }, [
      `batch ${batchId}: ${formatNumber(uploaded.nextIndex)} requests are durable`,
      '',
      'next:',
      `  certmill watch ${batchId}`,
      `  certmill fetch ${batchId} --out ./certs/`,
    ]);
    return;
  }
  terminal.note(`batch ${batchId}`);
  const batch = await followBatch(client, batchId, terminal);
  if (options.out === undefined) {
    terminal.report({ ...batch, idempotencyKey }, [...batchLines(batch), ...nextLines(batch)]);
    return;
  }
  const fetched = await fetchBatch(client, batch, {
    out: options.out,
    format: options.format,
    terminal,
  });
  terminal.report({ ...batch, idempotencyKey, files: fetched.files }, [
    ...batchLines(batch),
    ...fetched.files.map((file) => `wrote     ${file}`),
  ]);
}

async function upload(
  client: IssuanceClient,
  inputs: readonly string[],
  options: SubmitOptions & { readonly idempotencyKey: string },
  terminal: Terminal,
): Promise<BatchView> {
  using progress = terminal.progress('uploaded');
  let refused = 0;
  const read = (): ReturnType<typeof readInputs> =>
    readInputs(inputs, {
      stdin: terminal.readStdin(),
      workingDirectory: process.cwd(),
    });
  const batch = await uploadBatch(
    client,
    {
      orderId: options.order,
      idempotencyKey: options.idempotencyKey,
      isReadAgain: !inputs.includes('-'),
      read,
    },
    {
      onSent: (done) => progress.update({ done, rejected: refused }),
      onRefused(_index, { source, rejection }) {
        if (++refused > namedRefusals || rejection === undefined) return;
        terminal.note(`${source}: ${rejection.code}: ${rejection.detail}`);
      },
    },
  );
  if (refused > namedRefusals) {
    terminal.note(`... and ${formatNumber(refused - namedRefusals)} more that are no good request`);
  }
  return batch;
}
