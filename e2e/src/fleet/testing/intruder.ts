import { openKafkaAdmin, openKafkaLog, type KafkaAdmin } from '@certmill/adapter-kafka';
import { deadLetterTopicOf } from '@certmill/events';
import { readers } from '@certmill/fleet';
import type { DeliveredRecord, EventLog, EventRecord, Stoppable } from '@certmill/ports';
import { aName, until } from './test-fleet.js';

export type Headers = Readonly<Record<string, string>>;

/** The topics that stages read, with the stage. */
export const stageTopics = readers.flatMap(({ stage, group, topics }) =>
  (['bulk', 'interactive'] as const).map((lane) => ({ stage, group, lane, topic: topics[lane] })),
);

/** A header that no stage looks at, by which a test finds its record again. */
export const marker = 'test_marker';

/** Somebody with the brokers' credentials and nothing else: reads all topics along, writes any record. */
export class Intruder {
  readonly admin: KafkaAdmin;
  readonly #log: EventLog & Stoppable;
  readonly #seen = new Map<string, DeliveredRecord[]>();

  private constructor(log: EventLog & Stoppable, admin: KafkaAdmin) {
    this.#log = log;
    this.admin = admin;
  }

  static async open(brokers: readonly string[]): Promise<Intruder> {
    const connection = { brokers, clientId: aName('intruder') };
    const log = await openKafkaLog(connection);
    const intruder = new Intruder(log, openKafkaAdmin(connection));
    await Promise.all(stageTopics.map(({ topic }) => intruder.#readAlong(topic)));
    return intruder;
  }

  async stop(): Promise<void> {
    await this.#log.stop(0);
    await this.admin.stop(0);
  }

  /** All that was written into a topic since the intruder came. */
  seen(topic: string): readonly DeliveredRecord[] {
    return this.#seen.get(topic) ?? [];
  }

  /** The first record of a topic that a batch has there. */
  async recordOf(topic: string, batchId: string, chunk = 0): Promise<DeliveredRecord> {
    let found: DeliveredRecord | undefined;
    await until(`chunk ${String(chunk)} of ${batchId} is in ${topic}`, () => {
      found = this.seen(topic).find(({ headers }) => {
        return headers['ce_subject'] === batchId && headers['certmill_chunk'] === String(chunk);
      });
      return found !== undefined;
    });
    return found!;
  }

  async write(topic: string, { headers, key, value }: EventRecord): Promise<void> {
    await this.#log.append(topic, { headers, key, value });
  }

  async deadLetters(topic: string, group: string): Promise<readonly DeliveredRecord[]> {
    const found: DeliveredRecord[] = [];
    await this.admin.readAll(deadLetterTopicOf(topic, group), (record) => {
      found.push({ ...record, value: Uint8Array.from(record.value) });
    });
    return found;
  }

  async #readAlong(topic: string): Promise<void> {
    const seen: DeliveredRecord[] = [];
    this.#seen.set(topic, seen);
    await this.#log.subscribe({
      topic,
      group: aName('intruder'),
      concurrency: 1,
      handler: (record) => {
        seen.push({ ...record, value: Uint8Array.from(record.value) });
        return Promise.resolve();
      },
    });
  }
}
