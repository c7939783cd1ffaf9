import { CertmillError } from '@certmill/domain';
import type { DeliveredRecord } from '@certmill/ports';
import { handleRecord, type HandlingOptions } from './handle-record.js';
import { pause } from './pause.js';

const value = Buffer.from('all that was fetched').subarray(4, 8);
const record: DeliveredRecord = { topic: 't', position: '0:1', headers: {}, key: 'k', value };
const policy = { firstMs: 1, maxMs: 2, maxAttempts: 3, random: () => 0.5 };
const poison = new CertmillError('FAULT_EVENT_UNDECODABLE', 'poison');
const busy = new CertmillError('FAULT_HSM_BUSY', 'busy');

function options(overrides: Partial<HandlingOptions>): HandlingOptions {
  return {
    handler: () => Promise.resolve(),
    policy,
    deadLetter: () => Promise.reject(new Error('no dead letter is expected')),
    onBurialFailed: () => undefined,
    rest: (ms) => pause(ms, overrides.stop ?? new AbortController().signal),
    stop: new AbortController().signal,
    isDropped: () => false,
    ...overrides,
  };
}

/** A handler that fails so often, and what it was called with. */
function failing(times: number, cause: unknown) {
  const calls: DeliveredRecord[] = [];
  const handler = (given: DeliveredRecord): Promise<void> => {
    calls.push(given);
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- handlers may.
    return calls.length <= times ? Promise.reject(cause) : Promise.resolve();
  };
  return { calls, handler };
}

describe('a record', () => {
  it('is tried again after a retryable fault, more often than any bound', async () => {
    const { calls, handler } = failing(10, busy);
    expect(await handleRecord({ record }, options({ handler }))).toEqual({ kind: 'handled' });
    expect(calls).toHaveLength(11);
  });

  it('that stays in hand keeps its own octets only', async () => {
    const { calls, handler } = failing(1, busy);
    await handleRecord({ record }, options({ handler }));
    expect(calls[1]?.value.buffer.byteLength).toBe(value.length);
    expect(Buffer.from(calls[1]!.value).equals(value)).toBe(true);
  });

  it.each([
    ['poison at once', poison, 1],
    ['any other error when it has failed often enough', new TypeError('a defect'), 3],
    ['what is no error at all', 'a text', 3],
  ])('becomes a dead letter: %s', async (_what, cause, tries) => {
    const { calls, handler } = failing(100, cause);
    const told: unknown[] = [];
    const handling = await handleRecord(
      { record },
      options({
        handler,
        deadLetter: (dead, why) => {
          told.push(['kept', dead.position, why]);
          return Promise.resolve('1:7');
        },
        onDeadLetter: (dead, why, place) => {
          told.push(['told', dead.position, why, place]);
          return Promise.resolve();
        },
      }),
    );
    expect(handling).toEqual({ kind: 'handled' });
    expect(calls).toHaveLength(tries);
    expect(told).toEqual([
      ['kept', '0:1', cause],
      ['told', '0:1', cause, '1:7'],
    ]);
  });

  it('is tried again where its dead letter is not kept, and whoever looks on is told once', async () => {
    const { calls, handler } = failing(3, poison);
    const away = new CertmillError('FAULT_BUS_DOWN', 'away');
    const told: unknown[] = [];
    const handling = await handleRecord(
      { record },
      options({
        handler,
        deadLetter: () => Promise.reject(away),
        onBurialFailed: ({ position }, cause) => told.push([position, cause]),
      }),
    );
    expect(handling).toEqual({ kind: 'handled' });
    expect(calls).toHaveLength(4);
    expect(told).toEqual([['0:1', away]]);
  });

  it('has one dead letter, however often that is told in vain', async () => {
    const { calls, handler } = failing(1, poison);
    const places: string[] = [];
    let kept = 0;
    const handling = await handleRecord(
      { record },
      options({
        handler,
        deadLetter: () => Promise.resolve(`0:${String(kept++)}`),
        onDeadLetter: (_record, cause, place) => {
          expect(cause).toBe(poison);
          places.push(place);
          return places.length < 5 ? Promise.reject(busy) : Promise.resolve();
        },
      }),
    );
    expect(handling).toEqual({ kind: 'handled' });
    expect([calls.length, kept]).toEqual([1, 1]);
    expect(places).toEqual(['0:0', '0:0', '0:0', '0:0', '0:0']);
  });

  it.each(['its dead letter', 'its telling'])(
    'halts the consumer where %s must halt',
    async (what) => {
      const { handler } = failing(100, poison);
      const cause = new CertmillError('FAULT_KEY_MISMATCH', 'halt');
      const halts = (): Promise<never> => Promise.reject(cause);
      const deadLetter = what === 'its dead letter' ? halts : () => Promise.resolve('0:0');
      expect(
        await handleRecord({ record }, options({ handler, deadLetter, onDeadLetter: halts })),
      ).toEqual({ kind: 'halt', cause });
    },
  );

  it('halts the consumer where this process cannot bury it', async () => {
    const { handler } = failing(100, poison);
    const cause = new CertmillError('CONFIG_INVALID', 'the dead-letter topic takes less');
    const deadLetter = (): Promise<never> => Promise.reject(cause);
    expect(await handleRecord({ record }, options({ handler, deadLetter }))).toEqual({
      kind: 'halt',
      cause,
    });
  });

  it.each(['DATA_FORMAT_UNSUPPORTED', 'CONFIG_INVALID'] as const)(
    'is left to another process where this one cannot read it: %s',
    async (code) => {
      const cause = new CertmillError(code, 'newer');
      const { calls, handler } = failing(100, cause);
      expect(await handleRecord({ record }, options({ handler }))).toEqual({ kind: 'halt', cause });
      expect(calls).toHaveLength(1);
    },
  );

  it('that must halt is tried once', async () => {
    const cause = new CertmillError('FAULT_KEY_MISMATCH', 'halt');
    const { calls, handler } = failing(100, cause);
    expect(await handleRecord({ record }, options({ handler }))).toEqual({ kind: 'halt', cause });
    expect(calls).toHaveLength(1);
  });

  it('that is no longer ours is neither tried again nor made a dead letter', async () => {
    for (const cause of [busy, poison]) {
      const { calls, handler } = failing(100, cause);
      let dead = 0;
      const deadLetter = (): Promise<string> => {
        dead++;
        return Promise.resolve('0:0');
      };
      const isDropped = (): boolean => true;
      expect(await handleRecord({ record }, options({ handler, deadLetter, isDropped }))).toEqual({
        kind: 'returned',
      });
      expect([calls.length, dead]).toEqual([1, 0]);
    }
  });

  it('is returned at once when the consumer stops, also in a long pause', async () => {
    const stop = new AbortController();
    const slow = { ...policy, firstMs: 60_000, maxMs: 60_000 };
    const { calls, handler } = failing(100, busy);
    const handling = handleRecord(
      { record },
      options({ handler, policy: slow, stop: stop.signal }),
    );
    await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    expect(await handling).toEqual({ kind: 'returned' });
    expect(calls).toHaveLength(1);
  });
});
