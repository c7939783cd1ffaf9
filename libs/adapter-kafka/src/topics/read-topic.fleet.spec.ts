import { deadLetterTopicOf } from '@certmill/events';
import { aRecord, connection, group, Logs, makeTopic, until } from '../kafka.fixture.js';
import { openKafkaAdmin } from './open-kafka-admin.js';

const logs = new Logs();
afterAll(() => logs.stop());

describe('reading a topic from outside', () => {
  it('gives what a group has not committed, and everything that is kept', async () => {
    const topic = await makeTopic(3);
    const { log } = await logs.open();
    const ids = Array.from({ length: 60 }, (_, i) => `record-${i}`);
    const half = ids.slice(0, 30);
    for (const id of half) await log.append(topic, aRecord(id));
    const subscription = await log.subscribe({
      topic,
      group,
      concurrency: 8,
      handler: () => Promise.resolve(),
    });
    await until('all is committed', async () => (await log.lag(topic, group)) === 0);
    await subscription.stop(5_000);
    // Large ones: a fetch does not hold them all.
    for (const id of ids.slice(30)) await log.append(topic, aRecord(id, 600 * 1024));

    const admin = openKafkaAdmin(connection());
    const uncommitted: string[] = [];
    const all: string[] = [];
    await admin.readUncommitted(topic, group, ({ headers }) => {
      uncommitted.push(headers['ce_id'] ?? '');
    });
    await admin.readAll(topic, ({ headers }) => {
      all.push(headers['ce_id'] ?? '');
    });
    const letters: unknown[] = [];
    await admin.readAll(deadLetterTopicOf(topic, group), (record) => {
      letters.push(record);
    });
    await admin.stop(1_000);
    expect(uncommitted.sort()).toEqual(ids.slice(30).sort());
    expect(all.sort()).toEqual([...ids].sort());
    expect(letters).toEqual([]);
  });
});

describe('passing over a topic', () => {
  it('shows all that is kept; the group is given only what was appended meanwhile', async () => {
    const topic = await makeTopic(3);
    const { log } = await logs.open();
    const ids = Array.from({ length: 20 }, (_, i) => `record-${i}`);
    for (const id of ids) await log.append(topic, aRecord(id));
    const admin = openKafkaAdmin(connection());
    const shown: string[] = [];
    const count = await admin.passOver(topic, group, async ({ headers }) => {
      const id = headers['ce_id'] ?? '';
      shown.push(id);
      if (id === 'record-7') await log.append(topic, aRecord('again'));
    });
    expect(count).toBe(20);
    expect(shown.sort()).toEqual([...ids].sort());
    const given: string[] = [];
    const subscription = await log.subscribe({
      topic,
      group,
      concurrency: 8,
      handler: ({ headers }) => {
        given.push(headers['ce_id'] ?? '');
        return Promise.resolve();
      },
    });
    await until('all is committed', async () => (await log.lag(topic, group)) === 0);
    expect(given).toEqual(['again']);
    // Whoever works there would go on where he is.
    await expect(admin.passOver(topic, group, () => Promise.resolve())).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    await subscription.stop(5_000);
    await admin.stop(1_000);
  });
});

describe('a group that begins with what comes', () => {
  it('is not given what was there before', async () => {
    const topic = await makeTopic(1);
    const { log } = await logs.open();
    await log.append(topic, aRecord('before'));
    const seen: string[] = [];
    await log.subscribe({
      topic,
      group,
      from: 'latest',
      concurrency: 1,
      handler: ({ headers }) => {
        seen.push(headers['ce_id'] ?? '');
        return Promise.resolve();
      },
    });
    // Where it begins is settled some time after it has joined.
    await until('a record is delivered', async () => {
      await log.append(topic, aRecord('after'));
      return seen.length > 0;
    });
    expect(new Set(seen)).toEqual(new Set(['after']));
  });
});
