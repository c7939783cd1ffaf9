// A member of a group as a process of its own, which tells what it does, a line each.
import { idOf } from '../kafka.fixture.js';
import { openKafkaLog } from '../open-kafka-log.js';

const [, , topic = '', group = '', commitIntervalMs = '250'] = process.argv;

function tell(line: string): void {
  process.stdout.write(`${line}\n`);
}

const log = await openKafkaLog({
  brokers: process.env['KAFKA_BROKERS']?.split(',') ?? [],
  clientId: 'certmill-member',
  sessionTimeoutMs: 6_000,
  commitIntervalMs: Number(commitIntervalMs),
  observe: ({ code }) => {
    tell(`notice ${code}`);
  },
});
await log.subscribe({
  topic,
  group,
  concurrency: 4,
  handler: (record) => {
    tell(`done ${idOf(record)}`);
    return Promise.resolve();
  },
});
