import { CertmillError } from '@certmill/domain';
import type { DeliveredRecord } from '@certmill/ports';
import type { KafkaMessage } from 'kafkajs';
import type { KafkaNotice } from '../client/kafka-observer.js';
import type { GroupMemberEvents } from './group-member.js';
import {
  KafkaSubscription,
  type KafkaSubscriptionOptions,
  type Member,
} from './kafka-subscription.js';

const policy = { firstMs: 1, maxMs: 2, maxAttempts: 3, random: () => 0.5 };

function messages(from: number, count: number): KafkaMessage[] {
  return Array.from({ length: count }, (_, i) => ({
    key: Buffer.from('k'),
    value: Buffer.from(`value ${String(from + i)}`),
    timestamp: '0',
    attributes: 0,
    offset: String(from + i),
    headers: {},
  }));
}

/** A membership that does what the test says. */
class ScriptedMember implements Member {
  readonly events: GroupMemberEvents;
  readonly commits: Record<string, number>[] = [];
  readonly refusals: Error[] = [];
  wakes = 0;
  isClosed = false;
  readonly paused = new Set<number>();
  commitFails: unknown;

  constructor(events: GroupMemberEvents) {
    this.events = events;
  }

  start = (): Promise<void> => Promise.resolve();
  wake = (): void => {
    this.wakes++;
  };
  pause = (partition: number): void => {
    this.paused.add(partition);
  };
  resume = (partition: number): void => {
    this.paused.delete(partition);
  };
  commit = (offsets: ReadonlyMap<number, number>): Promise<void> => {
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what kafkajs throws.
    if (this.commitFails !== undefined) return Promise.reject(this.commitFails);
    this.commits.push(Object.fromEntries(offsets));
    return Promise.resolve();
  };
  refuse = (error: Error): void => {
    this.refusals.push(error);
  };
  close = (): Promise<void> => {
    this.isClosed = true;
    return Promise.resolve();
  };
}

interface Task {
  readonly position: string;
  readonly end: () => void;
  readonly fail: (cause: unknown) => void;
}

const opened: KafkaSubscription[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((subscription) => subscription.stop(0)));
});

/** A subscription with its first member joined, whose handlers end when the test says so. */
async function aSubscription(
  overrides: Partial<KafkaSubscriptionOptions> = {},
  members: ScriptedMember[] = [],
) {
  const tasks: Task[] = [];
  const notices: Omit<KafkaNotice, 'topic' | 'group'>[] = [];
  const subscription = new KafkaSubscription({
    topic: 'test.records.made.v1',
    group: 'certmill-test',
    concurrency: 4,
    handler: ({ position }: DeliveredRecord) =>
      new Promise<void>((resolve, reject) => {
        tasks.push({ position, end: resolve, fail: reject });
      }),
    policy,
    commitIntervalMs: 2,
    maxQueuedBytes: 1_000,
    resting: { maxRecords: 100, maxBytes: 10_000 },
    maxDoneAhead: 100,
    deadLetter: () => Promise.resolve('0:0'),
    observe: (notice) => notices.push(notice),
    openMember: (events) => {
      const member = new ScriptedMember(events);
      members.push(member);
      return Promise.resolve(member);
    },
    ...overrides,
  });
  opened.push(subscription);
  const started = subscription.start(60_000);
  await until(() => members.length === 1);
  members[0]!.events.joined('member-1', [0, 1]);
  await started;
  const codes = (): string[] => notices.map(({ code }) => code);
  return { subscription, members, tasks, codes, first: members[0]! };
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`in vain: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function fenced(type = 'UNKNOWN_MEMBER_ID'): Error {
  return Object.assign(new Error('refused'), { name: 'KafkaJSProtocolError', type });
}

describe('a subscription', () => {
  it('commits what is done without a gap, by partition', async () => {
    const { first, tasks } = await aSubscription();
    first.events.records(0, messages(10, 2));
    first.events.records(1, messages(70, 2));
    expect(tasks.map(({ position }) => position)).toEqual(['0:10', '0:11', '1:70', '1:71']);
    tasks[1]?.end();
    tasks[2]?.end();
    await until(() => first.commits.length > 0);
    expect(first.commits).toEqual([{ 1: 71 }]);
    tasks[0]?.end();
    await until(() => first.commits.length > 1);
    expect(first.commits[1]).toEqual({ 0: 12 });
  });

  it('has room until enough is queued, by number and by octets', async () => {
    const { first, tasks } = await aSubscription({ concurrency: 2, maxQueuedBytes: 60 });
    expect(first.events.hasRoom()).toBe(true);
    first.events.records(0, messages(0, 2));
    expect(first.events.hasRoom()).toBe(true);
    first.events.records(0, messages(2, 4));
    expect(first.events.hasRoom()).toBe(false);
    const wakes = first.wakes;
    tasks[0]?.end();
    await until(() => first.wakes > wakes);
    expect(first.events.hasRoom()).toBe(true);
    const large = await aSubscription({ concurrency: 2, maxQueuedBytes: 10 });
    large.first.events.records(0, messages(0, 4));
    expect(large.first.events.hasRoom()).toBe(false);
  });

  it('keeps what is in hand of partitions that stay with it, and starts none of it twice', async () => {
    const { first, tasks } = await aSubscription();
    first.events.records(0, messages(0, 2));
    first.events.records(1, messages(0, 1));
    first.events.rebalancing();
    first.events.records(0, messages(2, 1));
    expect(tasks).toHaveLength(3);
    first.events.joined('member-1', [0]);
    // It fetches from the commit again.
    first.events.records(0, messages(0, 4));
    expect(tasks.map(({ position }) => position)).toEqual(['0:0', '0:1', '1:0', '0:2']);
    for (const { end } of tasks) end();
    await until(() => tasks.length === 5);
    tasks[4]?.end();
    await until(() => first.commits.some((commit) => commit[0] === 4));
    expect(first.commits.some((commit) => 1 in commit)).toBe(false);
  });

  it('takes nothing of a partition that it has not been given', async () => {
    const { first, tasks } = await aSubscription();
    first.events.records(7, messages(100, 1));
    first.events.joined('member-1', [1]);
    first.events.records(0, messages(100, 1));
    expect(tasks).toEqual([]);
    first.events.records(1, messages(0, 1));
    expect(tasks).toHaveLength(1);
  });

  it('drops everything where the group knew it no more, whatever it is given again', async () => {
    const { first, tasks } = await aSubscription();
    first.events.records(0, messages(0, 2));
    first.events.joined('member-2', [0, 1]);
    first.events.records(0, messages(0, 2));
    expect(tasks.map(({ position }) => position)).toEqual(['0:0', '0:1', '0:0', '0:1']);
    // What the handlers of before say no longer counts.
    tasks[0]?.end();
    tasks[1]?.end();
    tasks[2]?.end();
    await until(() => first.commits.length > 0);
    expect(first.commits).toEqual([{ 0: 1 }]);
  });

  it('never has more in hand than it may, also not of what it has dropped', async () => {
    const { first, tasks } = await aSubscription({ concurrency: 2 });
    first.events.records(0, messages(0, 2));
    first.events.joined('member-2', [0]);
    first.events.records(0, messages(0, 2));
    expect(tasks).toHaveLength(2);
    tasks[0]?.end();
    await until(() => tasks.length === 3);
  });

  it('drops everything when a commit is refused, and starts nothing until it has joined', async () => {
    const { first, tasks, codes } = await aSubscription({ concurrency: 1 });
    first.commitFails = fenced();
    first.events.records(0, messages(0, 3));
    tasks[0]?.end();
    await until(() => codes().includes('commit-refused'));
    expect(first.refusals).toEqual([first.commitFails]);
    const before = tasks.length;
    tasks[1]?.end();
    first.events.records(0, messages(1, 3));
    await new Promise((resolve) => setImmediate(resolve));
    expect(tasks).toHaveLength(before);
    first.commitFails = undefined;
    // Also under its old name: what the group had refused does not come back to life.
    first.events.joined('member-1', [0]);
    first.events.records(0, messages(0, 1));
    expect(tasks.at(-1)?.position).toBe('0:0');
    expect(first.commits).toEqual([]);
  });

  it('commits again later what could not be committed, and drops nothing', async () => {
    const { first, tasks, codes } = await aSubscription();
    first.commitFails = new Error('the connection is closed');
    first.events.records(0, messages(0, 1));
    tasks[0]?.end();
    let tries = 0;
    const { commit } = first;
    first.commit = (offsets) => {
      tries++;
      return commit(offsets);
    };
    await until(() => tries > 3);
    expect(codes().filter((code) => code === 'commit-failed')).toHaveLength(1);
    first.commitFails = undefined;
    await until(() => first.commits.length > 0);
    expect(first.commits).toEqual([{ 0: 1 }]);
  });

  it('does not mind the answer to a commit of before the last rebalance', async () => {
    const { first, tasks, codes } = await aSubscription();
    const answers: ((error: Error) => void)[] = [];
    first.commit = () => new Promise((_resolve, reject) => answers.push(reject));
    first.events.records(0, messages(0, 2));
    tasks[0]?.end();
    await until(() => answers.length > 0);
    first.events.rebalancing();
    first.events.joined('member-1', [0, 1]);
    answers[0]?.(fenced('ILLEGAL_GENERATION'));
    await until(() => answers.length > 1);
    expect(codes()).not.toContain('commit-refused');
    expect(first.refusals).toEqual([]);
    first.commit = () => Promise.resolve();
    answers[1]?.(new Error('the test is over'));
  });

  it('becomes a member anew when a membership ends, and gets again what was in hand', async () => {
    const { members, first, tasks, codes } = await aSubscription();
    first.events.records(0, messages(0, 1));
    first.events.ended(new Error('the broker is away'));
    await until(() => members.length === 2);
    expect(first.isClosed).toBe(true);
    expect(codes()).toContain('member-restarting');
    members[1]!.events.joined('member-2', [0]);
    members[1]!.events.records(0, messages(0, 1));
    tasks[0]?.end();
    tasks[1]?.end();
    await until(() => members[1]!.commits.length > 0);
    expect(first.commits).toEqual([]);
    expect(members[1]!.commits).toEqual([{ 0: 1 }]);
  });

  it('that cannot join in time says so and lets go', async () => {
    const members: ScriptedMember[] = [];
    const subscription = new KafkaSubscription({
      topic: 't',
      group: 'g',
      concurrency: 1,
      handler: () => Promise.resolve(),
      policy,
      commitIntervalMs: 5,
      maxQueuedBytes: 1,
      resting: { maxRecords: 1, maxBytes: 1 },
      maxDoneAhead: 1,
      deadLetter: () => Promise.resolve(''),
      observe: () => undefined,
      openMember: (events) => {
        const member = new ScriptedMember(events);
        members.push(member);
        queueMicrotask(() => {
          events.ended(new Error('nobody is there'));
        });
        return Promise.resolve(member);
      },
    });
    await expect(subscription.start(50)).rejects.toMatchObject({
      code: 'FAULT_BUS_DOWN',
      cause: { message: 'nobody is there' },
    });
    expect(members.length).toBeGreaterThan(1);
    expect(members.every(({ isClosed }) => isClosed)).toBe(true);
  });

  it('that stops does not wait for a membership that is still being looked up', async () => {
    let asked = 0;
    const members: ScriptedMember[] = [];
    const openMember = (events: GroupMemberEvents): Promise<Member> => {
      if (asked++ > 0) return new Promise(() => undefined);
      const member = new ScriptedMember(events);
      members.push(member);
      return Promise.resolve(member);
    };
    const { subscription, first } = await aSubscription({ openMember }, members);
    first.events.ended(new Error('the broker is away'));
    await until(() => asked === 2);
    const begunAt = performance.now();
    await subscription.stop(60_000);
    expect(performance.now() - begunAt).toBeLessThan(30_000);
  });

  it('that stops while it waits to join anew does not begin that', async () => {
    const members: ScriptedMember[] = [];
    const openMember = (events: GroupMemberEvents): Promise<Member> => {
      if (members.length > 0) return new Promise(() => undefined);
      const member = new ScriptedMember(events);
      members.push(member);
      return Promise.resolve(member);
    };
    const slow = { ...policy, firstMs: 60_000, maxMs: 60_000 };
    const { subscription, first } = await aSubscription({ openMember, policy: slow }, members);
    first.events.ended(new Error('the broker is away'));
    await until(() => first.isClosed);
    const begunAt = performance.now();
    await subscription.stop(60_000);
    expect(performance.now() - begunAt).toBeLessThan(30_000);
  });

  it('that stops starts nothing more, waits for what is in hand and commits it', async () => {
    const { subscription, first, tasks } = await aSubscription({
      concurrency: 2,
      commitIntervalMs: 60_000,
    });
    first.events.records(0, messages(0, 4));
    const stopped = subscription.stop(60_000);
    tasks[0]?.end();
    tasks[1]?.end();
    await stopped;
    expect(tasks).toHaveLength(2);
    expect(first.commits).toEqual([{ 0: 2 }]);
    expect(first.isClosed).toBe(true);
  });

  it('that stops does not wait for ever, and what ends later counts no more', async () => {
    const { subscription, first, tasks } = await aSubscription({ commitIntervalMs: 60_000 });
    first.events.records(0, messages(0, 1));
    await subscription.stop(5);
    tasks[0]?.end();
    await new Promise((resolve) => setImmediate(resolve));
    expect(first.commits).toEqual([]);
  });

  it('halts: says so once, starts nothing more, leaves the group and keeps the offset', async () => {
    const halts: Error[] = [];
    const { first, tasks, codes } = await aSubscription({
      concurrency: 2,
      onHalt: (error) => halts.push(error),
    });
    first.events.records(0, messages(0, 4));
    const cause = new CertmillError('FAULT_CLOCK_BACKWARDS', 'halt');
    tasks[0]?.fail(cause);
    tasks[1]?.fail(cause);
    await until(() => first.isClosed);
    expect(halts).toEqual([cause]);
    expect(codes()).toContain('halted');
    expect(tasks).toHaveLength(2);
    expect(first.commits).toEqual([]);
  });
});

describe('records that are tried again', () => {
  const lost = new CertmillError('FAULT_HSM_LOST', 'away');
  const slow = { ...policy, firstMs: 20, maxMs: 40 };

  /** Handlers that fail while an issuer is away: what is on partition 0 is for it. */
  async function withIssuerAway(overrides: Partial<KafkaSubscriptionOptions> = {}) {
    const handled: string[] = [];
    const tries = new Map<string, number>();
    const issuer = { isAway: true };
    const handler = ({ position }: DeliveredRecord): Promise<void> => {
      tries.set(position, (tries.get(position) ?? 0) + 1);
      if (issuer.isAway && position.startsWith('0:')) return Promise.reject(lost);
      handled.push(position);
      return Promise.resolve();
    };
    return {
      ...(await aSubscription({ handler, policy: slow, ...overrides })),
      handled,
      tries,
      issuer,
    };
  }

  it('hold up no others: they take no place in their pause', async () => {
    const { first, handled, tries, issuer } = await withIssuerAway();
    first.events.records(0, messages(0, 40));
    await until(() => tries.get('0:39') !== undefined);
    first.events.records(1, messages(0, 8));
    await until(() => handled.length === 8);
    expect(first.events.hasRoom()).toBe(true);
    await until(() => [...tries.values()].every((count) => count > 2 || count === 1));
    issuer.isAway = false;
    await until(() => handled.length === 48);
    await until(() => first.commits.some((offsets) => offsets[0] === 40));
  });

  it('take half of the places at most while they are tried', async () => {
    const { first, tasks } = await aSubscription();
    first.events.records(0, messages(0, 4));
    for (const { fail } of tasks.splice(0)) fail(lost);
    await until(() => tasks.length === 2);
    first.events.records(1, messages(0, 4));
    await until(() => tasks.length === 4);
    expect(tasks.map(({ position }) => position[0]).sort()).toEqual(['0', '0', '1', '1']);
  });

  it('are bounded: their partition is held, the others go on, until they come through', async () => {
    const resting = { maxRecords: 6, maxBytes: 10_000 };
    const { first, handled, tries, issuer } = await withIssuerAway({ resting });
    first.events.records(0, messages(0, 40));
    await until(() => first.paused.has(0));
    // Those that were in hand come on top.
    expect(tries.size).toBeLessThanOrEqual(6 + 4);
    first.events.records(1, messages(0, 8));
    await until(() => handled.length === 8);
    expect(first.events.hasRoom()).toBe(true);
    issuer.isAway = false;
    await until(() => handled.length === 48);
    expect(first.paused.size).toBe(0);
  });

  it('are bounded in octets', async () => {
    const resting = { maxRecords: 100, maxBytes: 30 };
    const { first, tries } = await withIssuerAway({ resting });
    first.events.records(0, messages(0, 40));
    await until(() => first.paused.has(0));
    expect(tries.size).toBeLessThan(12);
  });

  it('hold their partition where too much behind them is done', async () => {
    const { first, tasks } = await aSubscription({ maxDoneAhead: 10 });
    first.events.records(0, messages(0, 40));
    tasks.shift()?.fail(lost);
    await until(() => {
      for (const { end, position } of tasks.splice(0)) if (position !== '0:0') end();
      return first.paused.has(0);
    });
    expect(tasks.length).toBeLessThan(4);
    first.events.records(1, messages(0, 1));
    await until(() => tasks.some(({ position }) => position === '1:0'));
  });

  it('let their partition be fetched again once less of it is queued', async () => {
    const resting = { maxRecords: 1, maxBytes: 10_000 };
    const { first, tasks } = await aSubscription({ resting, concurrency: 2 });
    first.events.records(0, messages(0, 10));
    tasks.shift()?.fail(lost);
    await until(() => first.paused.has(0));
    let fetched = 0;
    let most = 0;
    // All that is fetched while it is let on: without a bound that is more and more.
    const next = (): void => {
      most = Math.max(most, fetched);
      if (first.paused.has(0)) return;
      first.events.records(0, messages(10 + 10 * fetched++, 10));
    };
    for (let i = 0; i < 20; i++) {
      tasks.shift()?.fail(lost);
      await new Promise((resolve) => setTimeout(resolve, 5));
      tasks.shift()?.end();
      await new Promise((resolve) => setTimeout(resolve, 5));
      next();
    }
    expect([fetched > 0, most < 4]).toEqual([true, true]);
  });

  it('are returned at once when the consumer stops, also those that wait for a place', async () => {
    const { first, subscription, tries } = await withIssuerAway({
      policy: { ...policy, firstMs: 60_000, maxMs: 60_000 },
    });
    first.events.records(0, messages(0, 40));
    await until(() => tries.size === 40);
    const startedAt = performance.now();
    await subscription.stop(60_000);
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    expect(first.commits).toEqual([]);
  });
});
