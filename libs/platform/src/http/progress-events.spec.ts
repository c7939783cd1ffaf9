import { getEventListeners } from 'node:events';
import type { Batch } from '@certmill/domain';
import { PublicationNotices } from '@certmill/pipeline';
import { jest } from '@jest/globals';
import { progressEvents } from './progress-events.js';

const counters = { accepted: 9, issued: 0, rejected: 0, cancelled: 0, deadLettered: 0 };
const batch: Batch = {
  tenant: 'acme',
  batchId: 'ab'.repeat(13),
  orderId: 'order-1',
  lane: 'bulk',
  idempotencyKey: 'k',
  createdAtMs: 0,
  nextIndex: 9,
  total: 9,
  counters,
};

afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});

test('a follower leaves no listener behind its waits', async () => {
  jest.useFakeTimers();
  const signals: AbortSignal[] = [];
  const any = AbortSignal.any.bind(AbortSignal);
  jest.spyOn(AbortSignal, 'any').mockImplementation((parts) => {
    const signal = any(parts);
    signals.push(signal);
    return signal;
  });
  const notices = new PublicationNotices();
  let issued = 0;
  const gone = new AbortController();
  const events = progressEvents(
    {
      batches: {
        getBatch: () => Promise.resolve({ ...batch, counters: { ...counters, issued } }),
      },
      results: { notices },
      clock: { nowMs: () => 1_000 },
    } as unknown as Parameters<typeof progressEvents>[0],
    batch.tenant,
    batch.batchId,
    { gone: gone.signal, stopping: new AbortController().signal },
  );
  const left: number[] = [];
  for (; issued < 9; issued++) {
    const next = events.next();
    // First what wakes it, then the pause between two events.
    for (let turn = 0; turn < 4; turn++) {
      notices.notify(batch.batchId, 0);
      await jest.advanceTimersByTimeAsync(250);
    }
    expect((await next).done).toBe(false);
    left.push(signals.flatMap((signal) => getEventListeners(signal, 'abort')).length);
  }
  expect(signals).toHaveLength(1);
  expect(left).toEqual(left.map(() => 0));
  gone.abort();
  expect((await events.next()).done).toBe(true);
});
