import type { BatchView } from '../client/views.js';
import { turnedAway } from './turned-away.js';

const counters = {
  accepted: 9,
  issued: 0,
  rejected: 4,
  cancelled: 0,
  deadLettered: 0,
  inFlight: 0,
};
const sinceMs = Date.parse('2026-06-10T12:00:00Z');

function aBatch(batchId: string, overrides: Partial<BatchView> = {}): BatchView {
  const base = { batchId, orderId: 'o', nextIndex: 9, total: 9, counters } as const;
  return { ...base, state: 'complete', ...overrides };
}

const line = (code: string): string =>
  JSON.stringify({ index: 0, code, detail: 'not ORDER_CLOSED' });

/** Of each batch the answers that it gives, one a call; undefined: it breaks in the middle. */
function aClient(
  batches: Readonly<Record<string, readonly BatchView[]>>,
  answers: Readonly<Record<string, readonly (readonly string[] | undefined)[]>>,
) {
  const read: string[] = [];
  return {
    read,
    listBatches: (orderId: string) => Promise.resolve([...(batches[orderId] ?? [])]),
    async *batchResults(batchId: string, kind: string): AsyncGenerator<Buffer> {
      expect(kind).toBe('rejections');
      const lines = answers[batchId]?.[read.filter((each) => each === batchId).length];
      read.push(batchId);
      await Promise.resolve();
      yield Buffer.from((lines ?? [line('ORDER_CLOSED')]).map((each) => `${each}\n`).join(''));
      if (lines === undefined) throw new Error('the connection broke');
    },
    patience: () => ({ wait: () => Promise.resolve(), progressed: () => undefined }) as never,
  };
}

describe('requests that the closing of orders has turned away', () => {
  it('are those of its code, batch by batch, in the orders that were closed', async () => {
    const client = aClient(
      {
        spring: [aBatch('b1'), aBatch('b2'), aBatch('b3')],
        summer: [aBatch('b4')],
        other: [aBatch('b5')],
      },
      {
        b1: [[line('ORDER_CLOSED'), line('CSR_POP_INVALID'), line('ORDER_CLOSED')]],
        b2: [[line('ORDER_QUOTA_EXCEEDED')]],
        b3: [[line('ORDER_CLOSED')]],
        b4: [[line('ORDER_CLOSED')]],
      },
    );
    expect(await turnedAway(client, ['spring', 'summer'], sinceMs)).toEqual({
      requests: 4,
      batches: ['spring/b1: 2', 'spring/b3: 1', 'summer/b4: 1'],
    });
  });

  it('are counted once where an answer broke and came again', async () => {
    const both = [line('ORDER_CLOSED'), line('ORDER_CLOSED')];
    const client = aClient({ spring: [aBatch('b1')] }, { b1: [undefined, undefined, both] });
    expect(await turnedAway(client, ['spring'], sinceMs)).toMatchObject({ requests: 2 });
    expect(client.read).toHaveLength(3);
  });

  it('are in no batch without rejections, and in none that had ended long before', async () => {
    const client = aClient(
      {
        spring: [
          aBatch('none', { counters: { ...counters, rejected: 0 } }),
          aBatch('before', { completedAt: '2026-06-09T11:59:59Z' }),
          aBatch('just', { completedAt: '2026-06-09T12:00:01Z' }),
        ],
      },
      { just: [[line('ORDER_CLOSED')]] },
    );
    expect(await turnedAway(client, ['spring'], sinceMs)).toMatchObject({ requests: 1 });
    expect(client.read).toEqual(['just']);
  });
});
