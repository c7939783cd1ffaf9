import { planCompromise, type CompromiseRun, type StepFacts } from '@certmill/trust/compromise';
import { populationOf } from './population.js';
import { compromiseLines, compromiseView } from './report.js';
import { lookUntil } from './step-context.js';

const plan = planCompromise(
  {
    ...{ name: 'leave-old', issuer: 'old', reason: 'cACompromise', successor: { name: 'new' } },
    ...{ isReissued: true, isCaFirst: false, keepsCa: false },
  },
  { serialNumberHex: '07', hasParent: true, isSuccessorThere: false, nowMs: 0 },
);

const facts: Readonly<Record<string, StepFacts>> = {
  successor: { name: 'new', isMade: true },
  close: { orders: 3 },
  drain: {
    ...{ profiles: ['idevid'], issued: 2_000, deadLettered: 5 },
    ...{ turnedAway: 3_616, turnedAwayIn: ['spring/ab01: 3000', 'summer/cd02: 616'] },
  },
  reissue: {
    ...{ operations: ['x-1'], issued: 1_990, rejected: 7, deadLettered: 3 },
    ...{ skipped: 6, replacedInVain: 2, onHold: 4, refused: 1 },
  },
  revoke: { reason: 'keyCompromise', revoked: 1_999, before: 1, pending: 5 },
};

const runOf = (steps: number): CompromiseRun => ({
  plan,
  done: plan.steps.slice(0, steps).map((step, index) => ({
    step,
    startedAtMs: index * 1_000,
    endedAtMs: index * 1_000 + 1_500,
    facts: facts[step] ?? {},
  })),
});

describe('the report of a run', () => {
  it('tells what is done, what is in hand and what is to do, with times', () => {
    const begun = { step: 'drain', atMs: 5_000 } as const;
    const view = compromiseView({ ...runOf(2), begun });
    expect(view).toMatchObject({
      state: 'stopped',
      successor: 'new',
      deviceReason: 'superseded',
    });
    expect(view.steps.slice(1, 4)).toEqual([
      {
        ...{ step: 'close', state: 'done', seconds: 1.5, facts: { orders: 3 } },
        ...{ startedAt: '1970-01-01T00:00:01.000Z', endedAt: '1970-01-01T00:00:02.500Z' },
      },
      { step: 'drain', state: 'begun', startedAt: '1970-01-01T00:00:05.000Z' },
      { step: 'reissue', state: 'to do' },
    ]);
    expect(view.left).toEqual([]);
  });

  it('leaves nothing unsaid of devices without a certificate, and of dead letters', () => {
    const view = compromiseView(runOf(8));
    expect(view.state).toBe('done');
    expect(view.left).toEqual([
      "3,616 requests that were accepted under 'old' have no certificate, for their orders were closed (ORDER_CLOSED): " +
        "upload them again under an order of 'new'; 'certmill fetch BATCH --out DIR/' says which, in " +
        'rejections.ndjson: spring/ab01: 3000, summer/cd02: 616',
      '15 devices have no new certificate: x-1',
      expect.stringContaining('2 devices have another certificate, on hold or under another CA'),
      expect.stringContaining("5 requests under 'old' are dead letters"),
    ]);
    const lines = compromiseLines(view).join('\n');
    expect(lines).toMatch(
      /^run leave-old: old is given up \(cACompromise\), new takes its place$/m,
    );
    expect(lines).toMatch(/^drain .* 2,000 certificates of idevid, 3,616 requests turned away$/m);
    expect(lines).toMatch(/^reissue +done +\S+ s? *1,990 issued, 7 rejected, 3 dead letters/m);
    expect(lines).toMatch(/^revoke +done .*1,999 revoked \(keyCompromise\), 1 were so before$/m);
  });

  it('says that a CA stands which was to stand, and that a root is in trust stores', () => {
    const kept = { ...plan, wish: { ...plan.wish, keepsCa: true } };
    const withoutCa = { steps: plan.steps.slice(0, 2) };
    expect(compromiseView({ ...runOf(2), plan: { ...kept, ...withoutCa } }).left).toEqual([
      "the CA certificate of 'old' is not revoked",
    ]);
    expect(compromiseView({ ...runOf(2), plan: { ...plan, ...withoutCa } }).left).toEqual([
      expect.stringContaining('take it out of the trust stores'),
    ]);
  });
});

describe('populationOf', () => {
  const counters = {
    accepted: 9,
    issued: 0,
    rejected: 0,
    cancelled: 0,
    deadLettered: 0,
    inFlight: 0,
  };

  it('sums batches by profile, without those that issued nothing', () => {
    const batches = [
      [{ profile: 'b' }, { counters: { ...counters, issued: 3, inFlight: 1 } }],
      [{ profile: 'a' }, { counters: { ...counters, issued: 2, deadLettered: 4 } }],
      [{ profile: 'b' }, { counters: { ...counters, issued: 5 } }],
      [{ profile: 'c' }, { counters }],
    ] as const;
    const { profiles, ...sums } = populationOf([], batches);
    expect([...profiles]).toEqual([
      ['a', 2],
      ['b', 8],
    ]);
    expect(sums).toMatchObject({ issued: 10, inFlight: 1, deadLettered: 4 });
  });
});

describe('lookUntil', () => {
  const looking = (seen: readonly number[]) => {
    let nowMs = 0;
    let looks = 0;
    const pauses: number[] = [];
    return {
      pauses,
      ask: () =>
        lookUntil({
          look: () => {
            nowMs += 100;
            return Promise.resolve(seen[looks++] ?? 0);
          },
          isThere: (number) => number === 0,
          pauseMs: 50,
          wait: (ms) => {
            nowMs += ms;
            pauses.push(ms);
            return Promise.resolve();
          },
          elapsedMs: () => nowMs,
          timeoutSeconds: 2,
          missing: (number) => `${String(number)} are left`,
        }),
    };
  };

  it('looks until it is so, and rests longer than a look takes', async () => {
    const { ask, pauses } = looking([2, 1]);
    expect(await ask()).toBe(0);
    expect(pauses).toEqual([400, 400]);
  });

  it('says what it waited for when the time is over', async () => {
    await expect(looking([3, 3, 3, 3, 3, 3]).ask()).rejects.toMatchObject({
      code: 'STEP_WAITS',
      message: '3 are left after 2 s (--timeout)',
    });
  });
});
