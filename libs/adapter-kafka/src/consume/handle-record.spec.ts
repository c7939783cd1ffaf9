import { CertmillError } from '@certmill/domain';
import type { DeliveredRecord } from '@certmill/ports';
import { handleRecord, type HandlingOptions } from './handle-record.js';

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
    expect(await handleRecord(record, options({ handler }))).toEqual({ kind: 'handled' });
    expect(calls).toHaveLength(11);
  });

  it('that stays in hand keeps its own octets only', async () => {
    const { calls, handler } = failing(1, busy);
    await handleRecord(record, options({ handler }));
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
      record,
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

  it.each(['is not kept', 'is told in vain'])(
    'is tried again where its dead letter %s',
    async (failure) => {
      const { calls, handler } = failing(1, poison);
      const away = () => Promise.reject(new CertmillError('FAULT_BUS_DOWN', 'away'));
      const handling = await handleRecord(
        record,
        options({
          handler,
          deadLetter: failure === 'is not kept' ? away : () => Promise.resolve('0:0'),
          onDeadLetter: away,
        }),
      );
      expect(handling).toEqual({ kind: 'handled' });
      expect(calls).toHaveLength(2);
    },
  );

  it('that must halt is tried once', async () => {
    const cause = new CertmillError('FAULT_KEY_MISMATCH', 'halt');
    const { calls, handler } = failing(100, cause);
    expect(await handleRecord(record, options({ handler }))).toEqual({ kind: 'halt', cause });
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
      expect(await handleRecord(record, options({ handler, deadLetter, isDropped }))).toEqual({
        kind: 'returned',
      });
      expect([calls.length, dead]).toEqual([1, 0]);
    }
  });

  it('is returned at once when the consumer stops, also in a long pause', async () => {
    const stop = new AbortController();
    const slow = { ...policy, firstMs: 60_000, maxMs: 60_000 };
    const { calls, handler } = failing(100, busy);
    const handling = handleRecord(record, options({ handler, policy: slow, stop: stop.signal }));
    await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    expect(await handling).toEqual({ kind: 'returned' });
    expect(calls).toHaveLength(1);
  });
});
