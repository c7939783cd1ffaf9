import { CertmillError, isCertmillError } from '@certmill/domain';
import { deadLetterTopicOf } from '@certmill/events';
import type {
  DeliveredRecord,
  EventLog,
  EventRecord,
  SubscribeOptions,
  Subscription,
} from '../event-log.js';
import { describeEventLog, eventLogCases, type EventLogFixture } from './event-log.conformance.js';

const topic = 'test.records.made.v1';
const oversizeBytes = 64 * 1024;
const maxBacklogBytes = 128 * 1024;
const maxAttempts = 3;

/** What a broken log does wrong. */
type Flaw =
  | 'drops headers'
  | 'loses one of two groups'
  | 'loses records in a crash'
  | 'commits on delivery'
  | 'commits the highest offset'
  | 'ignores the concurrency'
  | 'delivers to one group after the other'
  | 'takes any size'
  | 'gives up at the first fault'
  | 'drops poison'
  | 'gives dead letters back with their cause'
  | 'tells of a dead letter before it is kept'
  | 'drops what keeps failing at once'
  | 'goes on after a halt'
  | 'has no lag'
  | 'has no bound'
  | 'keeps what a stopped consumer held';

interface Entry {
  readonly record: EventRecord;
  readonly offset: number;
}

/** What outlives a crash: records and commits. */
interface Durable {
  readonly records: Map<string, Entry[]>;
  /** By `topic group`: offsets that are committed. */
  readonly committed: Map<string, Set<number>>;
}

interface Consumer {
  readonly options: SubscribeOptions;
  readonly inHand: Set<number>;
  isStopped: boolean;
}

/** The simplest log that keeps the port's contract, and with a flaw one that does not. */
class MemoryEventLog implements EventLog {
  readonly #durable: Durable;
  readonly #flaw: Flaw | undefined;
  readonly #consumers: Consumer[] = [];
  readonly #waiting: (() => void)[] = [];

  constructor(durable: Durable, flaw: Flaw | undefined) {
    this.#durable = durable;
    this.#flaw = flaw;
  }

  async append(to: string, record: EventRecord): Promise<void> {
    if (record.value.length >= oversizeBytes && this.#flaw !== 'takes any size') {
      throw new CertmillError('INVALID_INPUT', 'over the limit');
    }
    while (this.#flaw !== 'has no bound' && this.#backlog(to) > maxBacklogBytes) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    const entries = this.#entries(to);
    const kept = this.#flaw === 'drops headers' ? { ...record, headers: {} } : record;
    entries.push({ record: kept, offset: entries.length });
    this.#deliver();
  }

  subscribe(options: SubscribeOptions): Promise<Subscription> {
    const consumer: Consumer = { options, inHand: new Set(), isStopped: false };
    this.#consumers.push(consumer);
    this.#committed(options.topic, options.group);
    this.#deliver();
    return Promise.resolve({
      stop: () => {
        consumer.isStopped = true;
        if (this.#flaw !== 'keeps what a stopped consumer held') consumer.inHand.clear();
        return Promise.resolve();
      },
    });
  }

  readDeadLetter(of: string, group: string, place: string): Promise<EventRecord | undefined> {
    const entries = this.#entries(deadLetterTopicOf(of, group));
    const record = entries[Number(place.slice(2))]?.record;
    if (record === undefined || this.#flaw === 'gives dead letters back with their cause') {
      return Promise.resolve(record);
    }
    const own = Object.entries(record.headers).filter(([name]) => name !== 'code');
    const headers = Object.fromEntries(own);
    return Promise.resolve({ headers, key: record.key, value: record.value });
  }

  lag(of: string, group: string): Promise<number> {
    if (this.#flaw === 'has no lag') return Promise.resolve(0);
    return Promise.resolve(this.#entries(of).length - this.#committed(of, group).size);
  }

  stop(): void {
    for (const consumer of this.#consumers) consumer.isStopped = true;
  }

  #entries(of: string): Entry[] {
    const entries = this.#durable.records.get(of) ?? [];
    this.#durable.records.set(of, entries);
    return entries;
  }

  #committed(of: string, group: string): Set<number> {
    const name = `${of} ${group}`;
    const committed = this.#durable.committed.get(name) ?? new Set();
    this.#durable.committed.set(name, committed);
    return committed;
  }

  #backlog(of: string): number {
    const groups = [...this.#durable.committed].filter(([name]) => name.startsWith(`${of} `));
    const entries = this.#entries(of);
    const bytes = groups.map(([, committed]) =>
      entries.reduce(
        (sum, { record, offset }) => sum + (committed.has(offset) ? 0 : record.value.length),
        0,
      ),
    );
    return Math.max(0, ...bytes);
  }

  #deliver(): void {
    for (const consumer of this.#consumers) {
      const { options, inHand } = consumer;
      const isSecond = this.#consumers.some(
        (other) => other !== consumer && other.options.group !== options.group,
      );
      if (this.#flaw === 'loses one of two groups' && isSecond && consumer !== this.#consumers[0]) {
        continue;
      }
      const bound = this.#flaw === 'ignores the concurrency' ? Infinity : options.concurrency;
      for (const entry of this.#entries(options.topic)) {
        if (consumer.isStopped || inHand.size >= bound) break;
        if (this.#isTaken(consumer, entry)) continue;
        inHand.add(entry.offset);
        void this.#handle(consumer, entry);
      }
    }
  }

  #isTaken({ options }: Consumer, { offset }: Entry): boolean {
    const { topic: of, group } = options;
    if (this.#committed(of, group).has(offset)) return true;
    if (
      this.#flaw === 'delivers to one group after the other' &&
      this.#consumers.some((other) => other.options.group !== group && other.inHand.size > 0)
    ) {
      return true;
    }
    return this.#consumers.some(
      (other) =>
        other.options.topic === of && other.options.group === group && other.inHand.has(offset),
    );
  }

  async #handle(consumer: Consumer, entry: Entry): Promise<void> {
    const { options, inHand } = consumer;
    const { topic: from, group } = options;
    const record: DeliveredRecord = {
      ...entry.record,
      topic: from,
      position: `0:${String(entry.offset)}`,
    };
    const committed = this.#committed(from, group);
    if (this.#flaw === 'commits on delivery') committed.add(entry.offset);
    for (let attempt = 1; !consumer.isStopped; attempt++) {
      try {
        await options.handler(record);
        if (!inHand.has(entry.offset)) return;
        this.#commit(committed, entry.offset);
        break;
      } catch (error) {
        if (await this.#isGivenUp(consumer, record, error, attempt)) {
          committed.add(entry.offset);
          break;
        }
      }
    }
    inHand.delete(entry.offset);
    for (const admit of this.#waiting.splice(0)) admit();
    this.#deliver();
  }

  #commit(committed: Set<number>, offset: number): void {
    const first = this.#flaw === 'commits the highest offset' ? 0 : offset;
    for (let i = first; i <= offset; i++) committed.add(i);
  }

  async #isGivenUp(
    consumer: Consumer,
    record: DeliveredRecord,
    error: unknown,
    attempt: number,
  ): Promise<boolean> {
    const disposition = isCertmillError(error) ? error.disposition : 'refuse';
    if (disposition === 'halt') {
      consumer.isStopped = this.#flaw !== 'goes on after a halt';
      consumer.options.onHalt?.(error as Error);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return false;
    }
    if (this.#flaw === 'gives up at the first fault' && disposition === 'retry') return true;
    if (this.#flaw === 'drops what keeps failing at once' && disposition === 'refuse') return true;
    const isPoison = disposition === 'dead-letter' || attempt >= maxAttempts;
    if (disposition === 'retry' || !isPoison) return false;
    if (this.#flaw === 'drops poison') return true;
    const headers = {
      ...record.headers,
      code: isCertmillError(error) ? error.code : 'FAULT_PROCESSING',
    };
    const { group, onDeadLetter } = consumer.options;
    const deadLetters = deadLetterTopicOf(record.topic, group);
    const place = `0:${String(this.#entries(deadLetters).length)}`;
    const tell = async (): Promise<boolean> => {
      const told = onDeadLetter?.(record, error, place) ?? Promise.resolve();
      return told.then(
        () => true,
        () => false,
      );
    };
    const early = this.#flaw === 'tells of a dead letter before it is kept';
    if (early && !(await tell())) return false;
    await this.append(deadLetters, { ...record, headers });
    return early || (await tell());
  }
}

function makeFixture(flaw?: Flaw): Promise<EventLogFixture> {
  const durable: Durable = { records: new Map(), committed: new Map() };
  const logs: MemoryEventLog[] = [];
  const open = (): MemoryEventLog => {
    const log = new MemoryEventLog(durable, flaw);
    logs.push(log);
    return log;
  };
  return Promise.resolve({
    log: open(),
    topic,
    oversizeBytes,
    maxBacklogBytes,
    // A log with a flaw may never do what is waited for.
    ...(flaw === undefined ? {} : { patienceMs: 4_000 }),
    crash: () => {
      if (flaw === 'loses records in a crash') durable.records.clear();
      return Promise.resolve(open());
    },
    dispose: () => {
      for (const log of logs) log.stop();
      return Promise.resolve();
    },
  });
}

describeEventLog('a log in memory', () => makeFixture());

const caughtBy: Readonly<Record<Flaw, string>> = {
  'drops headers': 'delivers headers, key and value as they were appended',
  'loses one of two groups': 'delivers every record of 8 writers at once to every group',
  'loses records in a crash': 'keeps what it has acknowledged through a crash',
  'commits on delivery': 'delivers again after a crash what was in hand',
  'commits the highest offset':
    'commits past no record that is still in hand, in whatever order they end',
  'ignores the concurrency': 'has at most `concurrency` records in hand, and uses that',
  'delivers to one group after the other': 'lets no slow group hold up another',
  'takes any size': 'refuses a record over the limit and goes on',
  'gives up at the first fault': 'tries again after a retryable fault until the handler succeeds',
  'drops poison': 'moves a poison record to the dead-letter topic and goes on',
  'gives dead letters back with their cause':
    'gives a dead letter back as it was appended, also after a crash',
  'tells of a dead letter before it is kept':
    'tells of a dead letter when it is kept and before its offset moves; in vain: once more',
  'drops what keeps failing at once': 'makes a dead letter of a record whose handler keeps failing',
  'goes on after a halt': 'stops a consumer that must halt, says so once and commits nothing of it',
  'has no lag': 'says how many records a group has not committed',
  'has no bound': 'lets an append wait while the backlog is full',
  'keeps what a stopped consumer held':
    'hands back what a stopped consumer has not finished in time',
};

describe('a case catches a log that', () => {
  it.concurrent.each(Object.entries(caughtBy))('%s: "%s"', async (flaw, name) => {
    const found = eventLogCases.find((candidate) => candidate.name === name);
    const fixture = await makeFixture(flaw as Flaw);
    const outcome = await found?.run(fixture).then(
      () => 'passed',
      () => 'caught',
    );
    await fixture.dispose();
    expect(outcome).toBe('caught');
  });

  it('is there for every case', () => {
    expect(eventLogCases.map(({ name }) => name).sort()).toEqual(Object.values(caughtBy).sort());
  });
});
