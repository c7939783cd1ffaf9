import { Command, InvalidArgumentError } from 'commander';
import type { DeadLetterRecord, RecordOwner } from '@certmill/fleet';
import { withExamples } from '../terminal/program.js';
import { formatNumber } from '../terminal/quantities.js';
import { tableLines } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';
import { configOption } from './config-option.js';

/** Loaded when it is asked for: no other command pays for the fleet's libraries. */
async function openRecords(configFile: string) {
  const { openDeadLetterRecords, readFleetConfig } = await import('@certmill/fleet');
  return openDeadLetterRecords(readFleetConfig(configFile));
}

/** `certmill dlq`: the records in the dead-letter topics of a fleet. */
export function dlqCommand(terminal: Terminal): Command {
  return new Command('dlq')
    .description('records that a stage of a fleet refused: list, retry, drop')
    .addCommand(listCommand(terminal))
    .addCommand(retryCommand(terminal))
    .addCommand(dropCommand(terminal));
}

interface ListCommandOptions {
  readonly config: string;
  readonly topic?: string;
  readonly after?: string;
  readonly limit: number;
}

const defaultLimit = 100;
const maxLimit = 10_000;
const exampleTopic = 'TOPIC';

/** What is to be done about a record, in a word for people. */
const ownersInWords: Readonly<Record<RecordOwner, string>> = {
  dead: 'dead letter',
  'in-flight': 'in flight',
  ended: 'ended',
  none: 'none',
};

function listCommand(terminal: Terminal): Command {
  const command = new Command('list')
    .description('list the records in the dead-letter topics with their causes')
    .addOption(configOption())
    .option('--topic <topic>', 'only those that were in this topic')
    .option('--after <place>', 'go on after this place of the topic')
    .option('--limit <n>', 'at most so many', parseLimit, defaultLimit)
    .option('--json', 'print one JSON object')
    .action(async ({ config, topic, after, limit }: ListCommandOptions) => {
      await using records = await openRecords(config);
      const list = await records.list({
        limit,
        ...(topic === undefined ? {} : { topic }),
        ...(after === undefined ? {} : { after }),
      });
      const rows = list.records.map(rowOf);
      const headings = ['topic', 'place', 'at', 'code', 'batch', 'chunk', 'its chunk', 'cause'];
      terminal.report(
        { records: list.records.map(viewOf), isCut: list.isCut },
        rows.length === 0
          ? ['no records']
          : [
              ...tableLines(headings, rows),
              ...(list.isCut ? ['there are more: --limit, or --topic and --after'] : []),
            ],
      );
    });
  return withExamples(command, [
    ['certmill dlq list --config fleet.yaml', 'all topics'],
    [`certmill dlq list --config fleet.yaml --topic ${exampleTopic} --after 0:99`, 'the next ones'],
    [
      `certmill dlq list --config fleet.yaml --json | jq -r '.records[].place'`,
      'the places, for a script',
    ],
  ]);
}

function rowOf(record: DeadLetterRecord): readonly string[] {
  const { topic, place, writtenAtMs, code, cause, chunk, owner } = record;
  return [
    topic,
    place,
    new Date(writtenAtMs).toISOString(),
    printable(code),
    printable(chunk?.batchId ?? '-'),
    chunk === undefined ? '-' : String(chunk.chunkNumber),
    ownersInWords[owner],
    printable(cause),
  ];
}

const maxShown = 200;

/** Whoever writes into a topic chooses the headers: nothing of them may steer a terminal. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, maxShown);
}

function viewOf({ writtenAtMs, ...record }: DeadLetterRecord): object {
  return { ...record, at: new Date(writtenAtMs).toISOString() };
}

interface RetryOptions {
  readonly config: string;
  readonly topic: string;
  readonly place: readonly string[];
}

function retryCommand(terminal: Terminal): Command {
  const command = new Command('retry')
    .description('put records back into the topic that they were in; the next stage decides again')
    .addOption(configOption())
    .requiredOption('--topic <topic>', 'that they were in')
    .requiredOption('--place <place...>', 'where they are, as `list` says')
    .option('--json', 'print one JSON object')
    .action(async ({ config, topic, place: places }: RetryOptions) => {
      await using records = await openRecords(config);
      const retried: { readonly place: string; readonly outcome: string }[] = [];
      for (const place of places) {
        retried.push({ place, outcome: await records.retry(topic, place) });
      }
      terminal.report(
        { retried },
        retried.map(({ place, outcome }) => `${place}: ${outcome}`),
      );
    });
  return withExamples(command, [
    [`certmill dlq retry --config fleet.yaml --topic ${exampleTopic} --place 0:3 0:4`, 'two'],
  ]);
}

interface DropOptions {
  readonly config: string;
  readonly topic: string;
  readonly upTo: string;
}

function dropCommand(terminal: Terminal): Command {
  const command = new Command('drop')
    .description(
      'delete a record and all before it, unless one of them is of a chunk that has not ended',
    )
    .addOption(configOption())
    .requiredOption('--topic <topic>', 'that they were in')
    .requiredOption('--up-to <place>', 'of the last one that goes')
    .option('--json', 'print one JSON object')
    .action(async ({ config, topic, upTo }: DropOptions) => {
      await using records = await openRecords(config);
      const dropped = await records.drop(topic, upTo);
      terminal.report({ dropped }, [`${formatNumber(dropped)} records are gone`]);
    });
  return withExamples(command, [
    [
      `certmill dlq drop --config fleet.yaml --topic ${exampleTopic} --up-to 0:17`,
      'Kafka deletes from the beginning only',
    ],
  ]);
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (!/^\d{1,5}$/.test(text) || limit < 1 || limit > maxLimit) {
    throw new InvalidArgumentError(`a number from 1 to ${formatNumber(maxLimit)}`);
  }
  return limit;
}
