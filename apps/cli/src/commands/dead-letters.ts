import { Command, InvalidArgumentError } from 'commander';
import { CertmillError } from '@certmill/domain';
import type { IssuanceClient } from '../client/issuance-client.js';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import type { SettledView } from '../client/views.js';
import { withExamples } from '../terminal/program.js';
import { formatNumber } from '../terminal/quantities.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';

type Action = 'retry' | 'drop';

interface SettleOptions extends ServerOptions {
  readonly all?: boolean;
}

const exampleBatch = '9f2c41d07be35a6680d1c2b3a4';

export function deadLettersCommand(terminal: Terminal): Command {
  return new Command('dead-letters')
    .description('chunks that could not be processed: list, retry, drop')
    .addCommand(listCommand(terminal))
    .addCommand(settleCommand(terminal, 'retry'))
    .addCommand(settleCommand(terminal, 'drop'));
}

function listCommand(terminal: Terminal): Command {
  const command = new Command('list')
    .description('list the dead letters of a batch with their causes')
    .argument('<batch>', 'batch id')
    .action(async (batchId: string, options: ServerOptions) => {
      using client = openClient(terminal, options);
      const deadLetters = await client.listDeadLetters(batchId);
      const rows = deadLetters.map((letter) => [
        letter.chunk,
        formatNumber(letter.requests),
        letter.state,
        letter.stage,
        letter.code,
        letter.at,
        letter.detail,
      ]);
      terminal.report(
        { deadLetters },
        rows.length === 0
          ? ['no dead letters']
          : tableLines(['chunk', 'requests', 'state', 'stage', 'code', 'at', 'detail'], rows),
      );
    });
  return withExamples(withServerOptions(command), [
    [`certmill dead-letters list ${exampleBatch}`, 'a table'],
    [
      `certmill dead-letters list ${exampleBatch} --json | jq '.deadLetters[].chunk'`,
      'for a script',
    ],
  ]);
}

const descriptions: Readonly<Record<Action, string>> = {
  retry: 'send dead letters through the pipeline once more; twice does no harm',
  drop: 'end dead letters: their requests are rejected (PROCESSING_FAILED), claims and quota given back',
};

function settleCommand(terminal: Terminal, action: Action): Command {
  const command = new Command(action)
    .description(descriptions[action])
    .argument('<batch>', 'batch id')
    .argument('[chunk...]', 'numbers of the chunks', parseChunk)
    .option('--all', 'each dead letter of the batch')
    .action(
      async (batchId: string, chunks: readonly number[], { all, ...options }: SettleOptions) => {
        using client = openClient(terminal, options);
        const wanted = await chunksOf(client, batchId, chunks, all === true);
        const settled: SettledView[] = [];
        for (const chunk of wanted) {
          settled.push(await client.settleDeadLetter(batchId, chunk, action));
        }
        terminal.report(
          { settled },
          settled.length === 0
            ? ['no dead letters']
            : settled.map(({ chunk, outcome }) => `chunk ${String(chunk)}: ${outcome}`),
        );
      },
    );
  return withExamples(withServerOptions(command), [
    [`certmill dead-letters ${action} ${exampleBatch} 0 17`, 'two chunks of the batch'],
    [`certmill dead-letters ${action} ${exampleBatch} --all`, 'all of them'],
  ]);
}

async function chunksOf(
  client: IssuanceClient,
  batchId: string,
  chunks: readonly number[],
  all: boolean,
): Promise<readonly number[]> {
  if (all === chunks.length > 0) {
    throw new CertmillError('INVALID_INPUT', 'name chunks, or say --all');
  }
  return all ? (await client.listDeadLetters(batchId)).map(({ chunk }) => chunk) : chunks;
}

function parseChunk(text: string, before: readonly number[] | undefined): readonly number[] {
  if (!/^\d{1,8}$/.test(text)) throw new InvalidArgumentError('not the number of a chunk');
  return [...(before ?? []), Number(text)];
}
