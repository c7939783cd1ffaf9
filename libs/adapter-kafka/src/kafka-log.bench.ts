/**
 * What a record costs this process, appended and consumed; run by hand, with a broker in KAFKA_BROKERS:
 * `node libs/adapter-kafka/dist/kafka-log.bench.js`. The broker's own CPU is not in it.
 */
import { aRecord, connection, newTopic, specOf, until } from './kafka.fixture.js';
import { openKafkaLog } from './open-kafka-log.js';
import { openKafkaAdmin } from './topics/open-kafka-admin.js';

const rounds = 3;
const concurrency = 16;
const sizes = [
  { bytes: 115_000, count: 5_000, window: 64 },
  { bytes: 1_000, count: 50_000, window: 1_000 },
];

interface Meter {
  /** Microseconds of CPU and of the clock, by record. */
  (count: number): { cpu: number; wall: number };
}

function start(): Meter {
  const cpu = process.cpuUsage();
  const at = process.hrtime.bigint();
  return (count) => {
    const { user, system } = process.cpuUsage(cpu);
    return {
      cpu: (user + system) / count,
      wall: Number(process.hrtime.bigint() - at) / 1e3 / count,
    };
  };
}

function say(what: string, { cpu, wall }: ReturnType<Meter>): void {
  const line = `${what.padEnd(32)} ${cpu.toFixed(1).padStart(8)} us CPU ${wall.toFixed(1).padStart(8)} us\n`;
  process.stdout.write(line);
}

const admin = openKafkaAdmin(connection());
const log = await openKafkaLog(connection());
for (let round = 0; round < rounds; round++) {
  for (const { bytes, count, window } of sizes) {
    const topic = newTopic();
    await admin.ensureTopics(specOf([topic], 8));
    const record = aRecord('bench', bytes);
    let next = 0;
    const append = start();
    const writer = async (): Promise<void> => {
      for (let id = next++; id < count; id = next++) {
        await log.append(topic, { ...record, key: String(id) });
      }
    };
    await Promise.all(Array.from({ length: window }, writer));
    say(`append ${String(bytes)}`, append(count));
    const group = 'certmill-bench';
    let handled = 0;
    const consume = start();
    const handler = (): Promise<void> => {
      handled++;
      return Promise.resolve();
    };
    const subscription = await log.subscribe({ topic, group, concurrency, handler });
    await until('all are consumed', () => handled === count, 300_000);
    say(`consume ${String(bytes)}`, consume(count));
    await subscription.stop(5_000);
    await admin.deleteConsumed([{ topic, groups: [group] }]);
  }
}
await log.stop(5_000);
await admin.stop(5_000);
