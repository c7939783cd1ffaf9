import { isCertmillError, rejectionNumber } from '@certmill/domain';
import { aFleet, type Fleet } from './testing/a-mongo-store.js';
import { issueAnOrder, nowMs, whatIsStored } from './testing/issue-an-order.js';
import { expectBucketsToAddUp } from './testing/stored-buckets.js';
import type { MongoStore } from './mongo-store.js';

const clock = { nowMs: () => nowMs };
const overQuota = rejectionNumber('ORDER_QUOTA_EXCEEDED');

/** `dies`: so does every call after it, as in a process that was killed. */
interface Trouble {
  readonly at: number;
  readonly isDone: boolean;
  readonly dies: boolean;
}

/** Around the calls of a store of which one goes wrong, before or after its effect. */
class FaultyCalls {
  #trouble: Trouble | undefined;
  calls = 0;
  hit = '';

  arm(trouble?: Trouble): void {
    this.#trouble = trouble;
    this.calls = 0;
    this.hit = '';
  }

  readonly around = async <T>(step: string, call: () => Promise<T>): Promise<T> => {
    this.calls += 1;
    const trouble = this.#trouble;
    const isHit = this.calls === trouble?.at;
    if (trouble === undefined || this.calls < trouble.at || (!isHit && !trouble.dies)) {
      return call();
    }
    if (isHit) {
      this.hit = step;
      if (trouble.isDone) await call();
    }
    throw Object.assign(new Error(`${step} was made to fail`), { code: 'ECONNRESET' });
  };
}

describe('a call of the driver that goes wrong', () => {
  let fleet: Fleet;
  let sound: MongoStore;
  let faulty: MongoStore;
  const calls = new FaultyCalls();
  let expected: object;
  let callsOfAll = 0;

  beforeAll(async () => {
    fleet = await aFleet();
    sound = await fleet.open({ clock });
    faulty = await fleet.open({ clock, around: calls.around });
    calls.arm();
    await issueAnOrder(faulty, 'undisturbed');
    callsOfAll = calls.calls;
    expected = await whatIsStored(sound, 'undisturbed');
  });
  afterAll(() => fleet.close());

  test('the undisturbed run, which the others are compared to, comes to all ends', () => {
    expect(callsOfAll).toBeGreaterThan(70);
    expect(expected).toMatchObject({
      order: 2,
      reserved: 3,
      verdicts: [[0, 0], [0, 0], [0, overQuota], [overQuota], undefined, undefined],
      found: [0],
      status: { state: 'revoked' },
      letters: [],
    });
  });

  /** Each call in turn; resolves to what steps they were. */
  async function eachCall(
    isDone: boolean,
    dies: boolean,
    issue: (tenant: string) => Promise<void>,
  ): Promise<Set<string>> {
    const steps = new Set<string>();
    for (let at = 1; at <= callsOfAll; at += 1) {
      const tenant = `${dies ? 'dies' : 'fails'}-${isDone ? 'after' : 'before'}-${String(at)}`;
      calls.arm({ at, isDone, dies });
      await issue(tenant);
      steps.add(calls.hit);
      expect({ at, ...(await whatIsStored(sound, tenant)) }).toEqual({ at, ...expected });
    }
    await expectBucketsToAddUp(fleet.database);
    return steps;
  }

  test.each(['before', 'after'])(
    'fails %s its effect: a retry finishes the work, and nothing is lost or doubled',
    async (when) => {
      const steps = await eachCall(when === 'after', false, async (tenant) => {
        const { failures } = await issueAnOrder(faulty, tenant);
        expect(failures).toBeLessThan(3);
      });
      for (const step of ['insert segments', 'update buckets', 'insert journal', 'put statuses']) {
        expect(steps).toContain(step);
      }
    },
    600_000,
  );

  test.each(['before', 'after'])(
    'is the last of its process, which is killed %s it: another one finishes the work',
    async (when) => {
      await eachCall(when === 'after', true, async (tenant) => {
        await issueAnOrder(faulty, tenant).catch((error: unknown) => {
          if (!isCertmillError(error) || error.code !== 'FAULT_STORE_DOWN') throw error;
        });
        await issueAnOrder(sound, tenant);
      });
    },
    600_000,
  );
});
