import { CertmillError } from '@certmill/domain';
import { deadLetterTopicOf } from '@certmill/events';
import type { DeliveredRecord } from '@certmill/ports';
import { CompressionCodecs, CompressionTypes, type Message } from 'kafkajs';
import { createKafka } from '../client/create-kafka.js';
import {
  aRecord,
  connection,
  group,
  idOf,
  Logs,
  makeTopic,
  maxRecordBytes,
  until,
} from '../kafka.fixture.js';
import { openKafkaAdmin } from '../topics/open-kafka-admin.js';
import { causeOfDeadLetter } from './dead-letter.js';

const logs = new Logs();
afterEach(() => logs.stop());

/** Of a batch with one record, by the broker's measure. */
const framingBytes = 120;

/** Records that our own producers do not make, and any other client may. */
const foreign: readonly (readonly [name: string, message: Message, isCut: boolean])[] = [
  ['without key, value or headers', { key: null, value: null }, false],
  [
    'that fills the limit of its topic',
    { key: null, value: Buffer.alloc(maxRecordBytes - framingBytes), headers: { ce_id: 'full' } },
    false,
  ],
  [
    'whose text grows when it is read',
    { value: 'v', headers: { ce_id: 'grows', junk: Buffer.alloc(2 * 1024 * 1024, 0xff) } },
    true,
  ],
  [
    'that pretends to be a dead letter',
    { value: 'v', headers: { certmill_dead_code: 'X', certmill_dead_cut: '1', ce_id: 'liar' } },
    false,
  ],
];

describe('a record of somebody else', () => {
  it.each(foreign)('%s is buried and holds nothing up', async (_, message, isCut) => {
    const topic = await makeTopic(1);
    const producer = createKafka(connection()).producer();
    await producer.connect();
    await producer.send({ topic, acks: -1, messages: [message] });
    await producer.disconnect();
    const { log } = await logs.open();
    const seen: string[] = [];
    await log.subscribe({
      topic,
      group,
      // One in hand: whatever is not buried is the last one that is handled.
      concurrency: 1,
      handler: (record) => {
        if (idOf(record) !== 'ours') throw new CertmillError('FAULT_EVENT_FORGED', 'not ours');
        seen.push(idOf(record));
        return Promise.resolve();
      },
    });
    await log.append(topic, aRecord('ours'));
    await until('the next one is handled', () => seen.length === 1);

    const admin = openKafkaAdmin(connection());
    const letters: DeliveredRecord[] = [];
    await admin.readAll(deadLetterTopicOf(topic, group), (record) => letters.push(record));
    await admin.stop(1_000);
    expect(letters).toHaveLength(1);
    const [letter] = letters;
    expect(causeOfDeadLetter(letter!)).toEqual({
      topic,
      group,
      position: '0:0',
      code: 'FAULT_EVENT_FORGED',
      cause: 'not ours',
      ...(isCut ? { cutBytes: expect.any(Number) as number } : {}),
    });
    const value = Buffer.from(message.value ?? '');
    expect(letter!.value.length).toBe(isCut ? 0 : value.length);
  });
});

it('what somebody else compresses is read without a codec, where the topic says so', async () => {
  const topic = await makeTopic(1);
  const producer = createKafka(connection()).producer();
  await producer.connect();
  const messages = [{ value: Buffer.alloc(100_000) }];
  await producer.send({ topic, acks: -1, compression: CompressionTypes.GZIP, messages });
  await producer.disconnect();
  const codec = CompressionCodecs[CompressionTypes.GZIP];
  CompressionCodecs[CompressionTypes.GZIP] = () => {
    throw new Error('a codec was asked for');
  };
  const admin = openKafkaAdmin(connection());
  try {
    const lengths: number[] = [];
    await admin.readAll(topic, ({ value }) => lengths.push(value.length));
    expect(lengths).toEqual([100_000]);
  } finally {
    CompressionCodecs[CompressionTypes.GZIP] = codec;
    await admin.stop(1_000);
  }
});

describe('deleting dead letters', () => {
  it('takes a record and all before it in its partition away, and says how many', async () => {
    const topic = await makeTopic(2);
    const { log } = await logs.open();
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) await log.append(topic, aRecord(id));
    const admin = openKafkaAdmin(connection());
    const read = async (): Promise<string[]> => {
      const places: string[] = [];
      const begunMs = Date.now();
      await admin.readAll(topic, ({ position }, writtenAtMs) => {
        expect(Math.abs(begunMs - writtenAtMs)).toBeLessThan(60_000);
        places.push(position);
      });
      return places;
    };
    const places = await read();
    const ofFirst = places.filter((place) => place.startsWith('0:'));
    const ofSecond = places.filter((place) => place.startsWith('1:'));
    expect(ofFirst.length).toBeGreaterThan(1);
    expect(idOf((await admin.readAt(topic, '1:0'))!)).toMatch(/^[a-h]$/);
    expect(await admin.deleteUpTo(topic, '0:1')).toBe(2);
    expect(await read()).toEqual([...ofFirst.slice(2), ...ofSecond]);
    for (const place of ['0:1', `0:${String(ofFirst.length)}`, '2:0', 'x', '']) {
      expect(await admin.readAt(topic, place)).toBeUndefined();
      await expect(admin.deleteUpTo(topic, place)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
    await admin.stop(1_000);
  });
});
