import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { CertmillError, isCertmillError } from '@certmill/domain';
import { deadLetterTopicOf } from '@certmill/events';
import type {
  DeliveredRecord,
  EventLog,
  EventRecord,
  RecordHandler,
  SubscribeOptions,
} from '../event-log.js';

/** An event log to be tried, with one empty durable topic. */
export interface EventLogFixture {
  readonly log: EventLog;
  readonly topic: string;
  /** A record whose value has so many octets is over the log's limit. */
  readonly oversizeBytes: number;
  /**
   * What the topic holds unhandled at most; at least 64 KiB and less than `oversizeBytes` * 4. Absent
   * where that is not bounded by the log, as with brokers: then the case about it is not run.
   */
  readonly maxBacklogBytes?: number;
  /** How long a case waits for what must come; a minute where absent. */
  readonly patienceMs?: number;
  /** The log as another process finds it after this one was killed: nothing is closed or flushed. */
  crash(): Promise<EventLog>;
  /** Lets go of everything, also of logs that were crashed. */
  dispose(): Promise<void>;
}

export interface EventLogCase {
  readonly name: string;
  /** What a log must have for the case to be about it. */
  readonly needs?: 'maxBacklogBytes';
  readonly run: (fixture: EventLogFixture) => Promise<void>;
}

const defaultPatienceMs = 60_000;
/** Long enough for a wrong delivery to show. */
const settleMs = 60;
const group = 'certmill-test';

function recordOf(text: string, bytes = 0): EventRecord {
  const value = Buffer.alloc(Math.max(bytes, text.length), 0x2e);
  value.write(text, 'latin1');
  return { headers: { ce_id: text, 'content-type': 'text/plain' }, key: `key-${text}`, value };
}

function idOf(record: EventRecord): string {
  return record.headers['ce_id'] ?? '';
}

async function until(
  { patienceMs = defaultPatienceMs }: Pick<EventLogFixture, 'patienceMs'>,
  what: string,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, `in vain: ${what}`);
    await sleep(2);
  }
}

function subscribe(
  { log, topic }: Pick<EventLogFixture, 'log' | 'topic'>,
  handler: RecordHandler,
  options: {
    readonly concurrency?: number;
    readonly group?: string;
    readonly onHalt?: (error: Error) => void;
    readonly onDeadLetter?: NonNullable<SubscribeOptions['onDeadLetter']>;
  } = {},
): ReturnType<EventLog['subscribe']> {
  return log.subscribe({ topic, group, concurrency: 4, handler, ...options });
}

async function appendAll(
  { log, topic }: Pick<EventLogFixture, 'log' | 'topic'>,
  ids: readonly string[],
): Promise<void> {
  for (const id of ids) await log.append(topic, recordOf(id));
}

/** The one of some dead letters that has the id. */
async function readBack(
  log: EventLog,
  topic: string,
  places: readonly string[],
  id: string,
): Promise<EventRecord> {
  for (const place of places) {
    const record = await log.readDeadLetter(topic, group, place);
    if (record !== undefined && idOf(record) === id) return record;
  }
  throw new assert.AssertionError({ message: `no dead letter ${id} is kept` });
}

function never(): Promise<void> {
  return new Promise(() => undefined);
}

/** What every event log MUST do; each case is a plain function, so that it can be shown to fail. */
export const eventLogCases: readonly EventLogCase[] = [
  {
    name: 'delivers headers, key and value as they were appended',
    async run(fixture) {
      const sent = recordOf('a', 5_000);
      const got: DeliveredRecord[] = [];
      await fixture.log.append(fixture.topic, sent);
      await subscribe(fixture, (record) => {
        got.push(record);
        return Promise.resolve();
      });
      await until(fixture, 'the record is delivered', () => got.length > 0);
      const [record] = got;
      assert.ok(record !== undefined);
      assert.deepEqual({ ...record.headers }, sent.headers);
      assert.equal(record.key, sent.key);
      assert.equal(record.topic, fixture.topic);
      assert.ok(Buffer.from(sent.value).equals(record.value));
    },
  },
  {
    name: 'delivers every record of 8 writers at once to every group',
    async run(fixture) {
      const seen = [new Set<string>(), new Set<string>()];
      for (const [i, ids] of seen.entries()) {
        const handler: RecordHandler = (record) => {
          ids.add(idOf(record));
          return Promise.resolve();
        };
        await subscribe(fixture, handler, { group: `${group}-${String(i)}` });
      }
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        const ids = Array.from({ length: 25 }, (_unused, i) => `${String(writer)}.${String(i)}`);
        await appendAll(fixture, ids);
      });
      await Promise.all(writers);
      await until(fixture, 'both groups have all 200', () =>
        seen.every(({ size }) => size === 200),
      );
    },
  },
  {
    name: 'keeps what it has acknowledged through a crash',
    async run(fixture) {
      await appendAll(fixture, ['a', 'b', 'c']);
      const log = await fixture.crash();
      const seen = new Set<string>();
      await subscribe({ log, topic: fixture.topic }, (record) => {
        seen.add(idOf(record));
        return Promise.resolve();
      });
      await until(fixture, 'all three are there', () => seen.size === 3);
    },
  },
  {
    name: 'delivers again after a crash what was in hand',
    async run(fixture) {
      let taken = 0;
      await subscribe(fixture, () => {
        taken++;
        return never();
      });
      await appendAll(fixture, ['a']);
      await until(fixture, 'it is in hand', () => taken === 1);
      const log = await fixture.crash();
      const again: string[] = [];
      await subscribe({ log, topic: fixture.topic }, (record) => {
        again.push(idOf(record));
        return Promise.resolve();
      });
      await until(fixture, 'it comes again', () => again.includes('a'));
    },
  },
  {
    name: 'commits past no record that is still in hand, in whatever order they end',
    async run(fixture) {
      const done: string[] = [];
      const subscription = await subscribe(fixture, async (record) => {
        if (idOf(record) === 'a') await never();
        done.push(idOf(record));
      });
      await appendAll(fixture, ['a', 'b', 'c']);
      await until(fixture, 'the later ones are done', () => done.length === 2);
      await subscription.stop(10);
      const log = await fixture.crash();
      const again = new Set<string>();
      await subscribe({ log, topic: fixture.topic }, (record) => {
        again.add(idOf(record));
        return Promise.resolve();
      });
      await until(fixture, 'the first comes again', () => again.has('a'));
    },
  },
  {
    name: 'has at most `concurrency` records in hand, and uses that',
    async run(fixture) {
      let inHand = 0;
      let most = 0;
      let done = 0;
      await subscribe(
        fixture,
        async () => {
          most = Math.max(most, ++inHand);
          await sleep(5);
          inHand--;
          done++;
        },
        { concurrency: 3 },
      );
      await Promise.all(
        Array.from({ length: 24 }, (_, i) =>
          fixture.log.append(fixture.topic, recordOf(String(i))),
        ),
      );
      await until(fixture, 'all are done', () => done === 24);
      assert.equal(most, 3);
    },
  },
  {
    name: 'lets no slow group hold up another',
    async run(fixture) {
      const fast = new Set<string>();
      await subscribe(fixture, never, { group: `${group}-slow`, concurrency: 1 });
      await subscribe(fixture, (record) => {
        fast.add(idOf(record));
        return Promise.resolve();
      });
      await appendAll(fixture, ['a', 'b', 'c', 'd']);
      await until(fixture, 'the fast group has all', () => fast.size === 4);
    },
  },
  {
    name: 'refuses a record over the limit and goes on',
    async run(fixture) {
      const oversize = recordOf('big', fixture.oversizeBytes);
      await assert.rejects(
        async () => fixture.log.append(fixture.topic, oversize),
        (error) => isCertmillError(error) && error.code === 'INVALID_INPUT',
      );
      const seen: string[] = [];
      await subscribe(fixture, (record) => {
        seen.push(idOf(record));
        return Promise.resolve();
      });
      await appendAll(fixture, ['small']);
      await until(fixture, 'the next one is delivered', () => seen.includes('small'));
      assert.ok(!seen.includes('big'));
    },
  },
  {
    name: 'tries again after a retryable fault until the handler succeeds',
    async run(fixture) {
      let tries = 0;
      await subscribe(fixture, () => {
        tries++;
        return tries < 4
          ? Promise.reject(new CertmillError('FAULT_STORE_DOWN', 'not yet'))
          : Promise.resolve();
      });
      await appendAll(fixture, ['a']);
      await until(
        fixture,
        'it is handled',
        async () => (await fixture.log.lag(fixture.topic, group)) === 0,
      );
      assert.equal(tries, 4);
    },
  },
  {
    name: 'moves a poison record to the dead-letter topic and goes on',
    async run(fixture) {
      const done: string[] = [];
      await subscribe(fixture, (record) => {
        if (idOf(record) === 'poison') {
          return Promise.reject(new CertmillError('FAULT_EVENT_UNDECODABLE', 'poison'));
        }
        done.push(idOf(record));
        return Promise.resolve();
      });
      await appendAll(fixture, ['a', 'poison', 'b']);
      await until(fixture, 'all are committed', async () => {
        return (await fixture.log.lag(fixture.topic, group)) === 0;
      });
      assert.deepEqual([...done].sort(), ['a', 'b']);
      const dead: DeliveredRecord[] = [];
      const topic = deadLetterTopicOf(fixture.topic, group);
      await subscribe({ log: fixture.log, topic }, (record) => {
        dead.push(record);
        return Promise.resolve();
      });
      await until(fixture, 'the dead letter is there', () => dead.length > 0);
      assert.deepEqual(dead.map(idOf), ['poison']);
      assert.ok(Object.values(dead[0]?.headers ?? {}).includes('FAULT_EVENT_UNDECODABLE'));
    },
  },
  {
    name: 'gives a dead letter back as it was appended, also after a crash',
    async run(fixture) {
      const { log, topic } = fixture;
      const sent = recordOf('poison', 300);
      const places: string[] = [];
      await subscribe(
        fixture,
        () => Promise.reject(new CertmillError('FAULT_EVENT_UNDECODABLE', 'poison')),
        {
          onDeadLetter: (_record, _cause, place) => {
            places.push(place);
            return Promise.resolve();
          },
        },
      );
      await appendAll(fixture, ['first']);
      await log.append(topic, sent);
      await until(fixture, 'both are dead letters', () => places.length === 2);
      assert.equal(await log.readDeadLetter(topic, group, '0:999'), undefined);
      const read = await readBack(fixture.log, topic, places, 'poison');
      const again = await readBack(await fixture.crash(), topic, places, 'poison');
      for (const record of [read, again]) {
        assert.deepEqual({ ...record.headers }, sent.headers);
        assert.equal(record.key, sent.key);
        assert.ok(Buffer.from(sent.value).equals(record.value));
      }
    },
  },
  {
    name: 'tells of a dead letter when it is kept and before its offset moves; in vain: once more',
    async run(fixture) {
      const { log, topic } = fixture;
      let told = 0;
      const kept: boolean[] = [];
      const lags: number[] = [];
      await subscribe(
        fixture,
        () => Promise.reject(new CertmillError('FAULT_EVENT_UNDECODABLE', 'poison')),
        {
          onDeadLetter: async (_record, _cause, place) => {
            kept.push((await log.readDeadLetter(topic, group, place)) !== undefined);
            lags.push(await log.lag(topic, group));
            told++;
            if (told === 1) throw new CertmillError('FAULT_STORE_DOWN', 'not yet');
          },
        },
      );
      await appendAll(fixture, ['a']);
      await until(fixture, 'it is given up', async () => (await log.lag(topic, group)) === 0);
      assert.deepEqual(kept, [true, true]);
      assert.deepEqual(lags, [1, 1]);
    },
  },
  {
    name: 'makes a dead letter of a record whose handler keeps failing',
    async run(fixture) {
      let tries = 0;
      await subscribe(fixture, () => {
        tries++;
        return Promise.reject(new TypeError('a defect'));
      });
      await appendAll(fixture, ['a']);
      await until(fixture, 'it is given up', async () => {
        return (await fixture.log.lag(fixture.topic, group)) === 0;
      });
      assert.ok(tries > 1, 'it was not tried again');
    },
  },
  {
    name: 'stops a consumer that must halt, says so once and commits nothing of it',
    async run(fixture) {
      const halts: Error[] = [];
      let tries = 0;
      await subscribe(
        fixture,
        () => {
          tries++;
          return Promise.reject(new CertmillError('FAULT_KEY_MISMATCH', 'halt'));
        },
        { concurrency: 1, onHalt: (error) => halts.push(error) },
      );
      await appendAll(fixture, ['a', 'b']);
      await until(fixture, 'it has halted', () => halts.length > 0);
      await sleep(settleMs);
      assert.equal(halts.length, 1);
      assert.equal(tries, 1);
      assert.equal(await fixture.log.lag(fixture.topic, group), 2);
    },
  },
  {
    name: 'says how many records a group has not committed',
    async run(fixture) {
      let release: (() => void) | undefined;
      const gate = new Promise<void>((resolve) => {
        release = resolve;
      });
      await subscribe(fixture, () => gate);
      await appendAll(fixture, ['a', 'b', 'c']);
      assert.equal(await fixture.log.lag(fixture.topic, group), 3);
      release?.();
      await until(fixture, 'nothing is left', async () => {
        return (await fixture.log.lag(fixture.topic, group)) === 0;
      });
    },
  },
  {
    name: 'lets an append wait while the backlog is full',
    needs: 'maxBacklogBytes',
    async run(fixture) {
      assert.ok(fixture.maxBacklogBytes !== undefined, 'the log has no bound');
      let release: (() => void) | undefined;
      const gate = new Promise<void>((resolve) => {
        release = resolve;
      });
      await subscribe(fixture, () => gate);
      const bytes = 16 * 1024;
      const count = Math.ceil(fixture.maxBacklogBytes / bytes) + 4;
      let appended = 0;
      const all = Array.from({ length: count }, async (_, i) => {
        await fixture.log.append(fixture.topic, recordOf(String(i), bytes));
        appended++;
      });
      await until(fixture, 'some are appended', () => appended > 0);
      await sleep(settleMs);
      assert.ok(appended < count, 'nothing waited');
      release?.();
      await Promise.all(all);
    },
  },
  {
    name: 'hands back what a stopped consumer has not finished in time',
    async run(fixture) {
      let taken = 0;
      const first = await subscribe(fixture, () => {
        taken++;
        return never();
      });
      await appendAll(fixture, ['a']);
      await until(fixture, 'it is in hand', () => taken === 1);
      await first.stop(10);
      const again: string[] = [];
      await subscribe(fixture, (record) => {
        again.push(idOf(record));
        return Promise.resolve();
      });
      await until(fixture, 'the next consumer gets it', () => again.includes('a'));
    },
  },
];

export interface DescribeEventLogOptions {
  /** What the log does not have: cases that need it are left out. */
  readonly without?: readonly NonNullable<EventLogCase['needs']>[];
  /** Of one case; Jest's own where absent. */
  readonly timeoutMs?: number;
}

/** Runs every case against logs of an adapter, a fresh one each. */
export function describeEventLog(
  name: string,
  makeLog: () => Promise<EventLogFixture>,
  { without = [], timeoutMs }: DescribeEventLogOptions = {},
): void {
  const cases = eventLogCases.filter(
    ({ needs }) => needs === undefined || !without.includes(needs),
  );
  describe(`${name} as an event log`, () => {
    it.each(cases)(
      '$name',
      async ({ run }) => {
        const fixture = await makeLog();
        try {
          await run(fixture);
        } finally {
          await fixture.dispose();
        }
      },
      timeoutMs,
    );
  });
}
