import type { EventRecord } from '@certmill/ports';
import { RecordAppender, type RecordAppenderOptions } from './record-appender.js';
import type { PendingRecord } from './pending-records.js';

const topic = 'test.records.made.v1';

function aRecord(bytes = 100): EventRecord {
  return { headers: { ce_id: 'a' }, key: 'a', value: Buffer.alloc(bytes) };
}

/** An appender whose records go nowhere until they are answered. */
function anAppender(overrides: Partial<RecordAppenderOptions> = {}) {
  const sent: PendingRecord[] = [];
  const appender = new RecordAppender({
    senderOf: () => ({ send: (pending) => sent.push(pending) }),
    maxRecordBytes: 10_000,
    roomForAlone: 500,
    maxWaitingBytes: 5_000,
    timeoutMs: 60_000,
    ...overrides,
  });
  return { appender, sent };
}

describe('an appender', () => {
  it('refuses what is over the limit with its headers and framing, and sends nothing', async () => {
    const { appender, sent } = anAppender();
    await expect(appender.append(topic, aRecord(9_990))).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
    expect(sent).toEqual([]);
    expect(appender.waitingBytes).toBe(0);
  });

  it('has room for a dead letter of the largest record', async () => {
    const { appender, sent } = anAppender();
    const append = appender.appendAlone(topic, aRecord(10_100));
    sent[0]?.resolve('0:1');
    expect(await append).toBe('0:1');
    await expect(appender.appendAlone(topic, aRecord(10_500))).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    });
  });

  it('lets appends wait, first come, first served, while too much is not taken yet', async () => {
    const { appender, sent } = anAppender();
    const appends = [2_000, 2_000, 2_000, 100].map((bytes) =>
      appender.append(topic, aRecord(bytes)),
    );
    expect(sent).toHaveLength(2);
    // The small one has room, but waits behind the large one.
    expect(appender.waitingBytes).toBeLessThanOrEqual(5_000);
    sent[0]?.resolve(undefined);
    expect(sent).toHaveLength(4);
    for (const pending of sent) pending.resolve(undefined);
    await Promise.all(appends);
    expect(appender.waitingBytes).toBe(0);
  });

  it('takes a record that is over the bound by itself where nothing else waits', async () => {
    const { appender, sent } = anAppender();
    const append = appender.append(topic, aRecord(9_000));
    expect(sent).toHaveLength(1);
    sent[0]?.resolve(undefined);
    await append;
  });

  it.each(['being sent', 'waiting for room'])(
    'ends an append that is %s when its time is over, and gives its room back',
    async (state) => {
      const { appender, sent } = anAppender({ timeoutMs: 20 });
      const first = appender.append(topic, aRecord(4_000));
      const ended = first.catch(() => undefined);
      const append = state === 'being sent' ? first : appender.append(topic, aRecord(4_000));
      await expect(append).rejects.toMatchObject({ code: 'FAULT_BUS_DOWN' });
      await ended;
      expect(appender.waitingBytes).toBe(0);
      // Nothing is sent for it any more, and its memory is free.
      expect(sent.every(({ record }) => record === undefined)).toBe(true);
      sent[0]?.resolve('0:0');
    },
  );

  it('tells the place of a record that is appended alone', async () => {
    const { appender, sent } = anAppender();
    const append = appender.appendAlone(topic, aRecord());
    expect(sent[0]?.isAlone).toBe(true);
    sent[0]?.resolve('3:14');
    expect(await append).toBe('3:14');
    const lost = appender.appendAlone(topic, aRecord());
    sent[1]?.resolve(undefined);
    await expect(lost).rejects.toMatchObject({ code: 'FAULT_BUS_DOWN' });
  });

  it('that stops takes nothing new, waits for what is under way, and then gives up', async () => {
    const { appender, sent } = anAppender();
    const done = appender.append(topic, aRecord());
    const stopped = appender.stop(60_000);
    await expect(appender.append(topic, aRecord())).rejects.toMatchObject({
      code: 'FAULT_STOPPING',
    });
    sent[0]?.resolve(undefined);
    await Promise.all([done, stopped]);
    const other = anAppender();
    const lost = other.appender.append(topic, aRecord());
    await other.appender.stop(1);
    await expect(lost).rejects.toMatchObject({ code: 'FAULT_STOPPING' });
  });
});
