import { Command, Option } from 'commander';
import type { Batch } from '@certmill/domain';
import { ResultFolder, silentObserver, type ResultFolderFormat } from '@certmill/pipeline';
import { type Issuance } from '@certmill/standalone';
import { takeDataFolder } from '@certmill/standalone/folder';
import { ensureHierarchy } from '../hierarchy.js';
import { deadLettersOf, issueBatch, resultsOfBatch } from '../issue/issue-batch.js';
import { exitCodes } from '../terminal/exit-codes.js';
import { withExamples } from '../terminal/program.js';
import { formatDuration, formatNumber } from '../terminal/quantities.js';
import type { Terminal } from '../terminal/terminal.js';
import { dataOption } from './data-option.js';

interface IssueOptions {
  readonly profile: string;
  readonly out: string;
  readonly issuer?: string;
  readonly devices?: string;
  readonly format: ResultFolderFormat;
  readonly data: string;
}

export function issueCommand(terminal: Terminal): Command {
  const command = new Command('issue')
    .description('issue certificates for CSRs on this machine; no server needed')
    .argument('<input...>', 'files, folders or - : PEM, DER, NDJSON, CSV or tar, also .gz or .zst')
    .requiredOption(
      '--profile <name>',
      'profile: idevid, ldevid, tls-client, matter-dac or one of your own',
    )
    .requiredOption('--out <dir>', 'folder for certificates and rejections.ndjson')
    .option('--issuer <name>', 'issuing CA; default: the first of the data folder')
    .option('--devices <file>', 'allow-list (CSV or NDJSON): only these devices get a certificate')
    .addOption(
      new Option('--format <format>', 'of the certificates')
        .choices(['pem', 'der', 'ndjson', 'p7b'])
        .default('pem'),
    )
    .addOption(dataOption())
    .option('--json', 'print one JSON object')
    .action(async (inputs: string[], options: IssueOptions) => {
      await issue(terminal, inputs, options);
    });
  return withExamples(command, [
    ['certmill issue ./my-csrs --profile idevid --out ./certs', 'every CSR in a folder'],
    [
      'certmill issue batch.ndjson.gz --profile tls-client --devices allow.csv --out ./certs',
      'only listed devices',
    ],
    [
      'openssl req -new -key dev.key -subj /CN=dev1 | certmill issue - --profile tls-client --out ./certs',
      'one CSR from a pipe',
    ],
  ]);
}

async function issue(
  terminal: Terminal,
  inputs: readonly string[],
  options: IssueOptions,
): Promise<void> {
  const { openIssuance, standaloneSchema } = await import('@certmill/standalone');
  await ensureHierarchy(terminal, options.data);
  const folder = takeDataFolder(options.data);
  try {
    const issuance = await openIssuance(folder, standaloneSchema.parse({ data: options.data }), {
      ...silentObserver,
      halted: (stage, error) => terminal.note(`stage ${stage} halted: ${error.message}`),
    });
    try {
      const begun = performance.now();
      const progress = terminal.progress('done');
      const batch = await issueBatch(
        issuance,
        {
          inputs,
          profileName: options.profile,
          stdin: terminal.readStdin(),
          signal: terminal.signal,
          ...(options.issuer === undefined ? {} : { issuer: options.issuer }),
          ...(options.devices === undefined ? {} : { devicesFile: options.devices }),
        },
        ({ counters, total }) =>
          progress.update({
            done: counters.issued + counters.rejected,
            rejected: counters.rejected,
            ...(total === undefined ? {} : { total }),
          }),
      );
      progress.stop();
      const seconds = (performance.now() - begun) / 1000;
      await writeResults(issuance, batch, options);
      const { accepted, issued, rejected } = batch.counters;
      const unprocessed = await deadLettersOf(issuance, batch);
      if (unprocessed !== undefined) throw unprocessed;
      if (rejected > 0) terminal.exitCode = exitCodes.someRejected;
      const certificatesPerSecond = Math.round(issued / seconds);
      terminal.report(
        { batchId: batch.batchId, accepted, issued, rejected, seconds, certificatesPerSecond },
        [
          `issued ${formatNumber(issued)} of ${formatNumber(accepted)} in ${formatDuration(seconds)}: ${options.out}`,
          ...(rejected === 0
            ? []
            : [`rejected ${formatNumber(rejected)}: see ${options.out}/rejections.ndjson`]),
        ],
      );
    } finally {
      await issuance.stop(10_000);
    }
  } finally {
    folder.release();
  }
}

async function writeResults(
  issuance: Issuance,
  batch: Batch,
  options: IssueOptions,
): Promise<void> {
  const { services } = issuance;
  const order = await services.orders.getOrder(batch.tenant, batch.orderId);
  const chainDer = services.chainOf(order?.issuer ?? '') ?? [];
  const folder = await ResultFolder.open(options.out, options.format, chainDer);
  try {
    for await (const results of resultsOfBatch(issuance, batch)) await folder.write(results);
    await folder.finish();
  } catch (error) {
    await folder.discard();
    throw error;
  }
}
