import { maxRequestsPerChunk } from '@certmill/domain';
import { RequestKeys } from '@certmill/packed';
import { CallQueue, type WriteCall } from './call-queue.js';
import { maxEntryBytes, maxItemsPerEntry } from './journal-entry.js';
import { aDecision, openOrder, secret } from './journal-process.fixture.js';
import { candidateOf } from './judge.js';

const keys = new RequestKeys(secret);
const all = 4_096;

function aCall(batchName: string, requests: number, changes: Partial<WriteCall> = {}): WriteCall {
  const devices = Array.from({ length: requests }, (_, i) => `${batchName}-${String(i)}`);
  const candidate = candidateOf(aDecision(batchName, devices), openOrder, keys);
  const settle = () => undefined;
  return {
    kind: 'decide',
    candidate,
    isUrgent: false,
    resolve: settle,
    reject: settle,
    ...changes,
  } as WriteCall;
}

function aQueue(...calls: readonly WriteCall[]): CallQueue {
  const queue = new CallQueue();
  for (const call of calls) queue.add(call);
  return queue;
}

describe('a queue of calls', () => {
  test('gives urgent calls first, and little bulk along with them', () => {
    const bulk = [0, 1, 2, 3].map((n) => aCall(`bulk ${String(n)}`, 500));
    const urgent = [0, 1].map((n) => aCall(`urgent ${String(n)}`, 1, { isUrgent: true }));
    const queue = aQueue(...bulk, ...urgent);
    expect(queue.take(all)).toEqual([...urgent, ...bulk.slice(0, 2)]);
    expect(queue.take(all)).toEqual(bulk.slice(2));
    expect(queue.length).toBe(0);
  });

  test('gives the largest chunk along with urgent calls, however many of them come', () => {
    const large = aCall('large', maxRequestsPerChunk);
    const queue = aQueue(large, aCall('urgent', 1, { isUrgent: true }));
    expect(queue.take(all)).toContain(large);
  });

  test('fills an entry in the order of the calls, up to its bounds', () => {
    const calls = Array.from({ length: 20 }, (_, n) => aCall(String(n), 256));
    const queue = aQueue(...calls);
    expect(queue.take(1_000)).toEqual(calls.slice(0, 3));
    expect(queue.take(all)).toEqual(calls.slice(3, 19));
    expect(queue.take(all)).toEqual(calls.slice(19));
    const single = Array.from({ length: maxItemsPerEntry + 1 }, (_, n) => aCall(String(n), 1));
    expect(aQueue(...single).take(all)).toHaveLength(maxItemsPerEntry);
  });

  test('gives one call that is over every bound alone', () => {
    const large = aCall('large', 200);
    if (large.kind !== 'decide') throw new Error('not a decision');
    const draft = new Uint8Array(maxEntryBytes + 1);
    const decision = { ...large.candidate.decision, draft };
    const huge = { ...large, candidate: { ...large.candidate, decision } };
    const small = aCall('small', 1);
    const queue = aQueue(huge, small);
    expect(queue.take(100)).toEqual([huge]);
    expect(queue.take(100)).toEqual([small]);
  });

  test('keeps a second call for a chunk for a later entry, and those put back in front', () => {
    const [first, second, other] = [aCall('b', 1), aCall('b', 1), aCall('c', 1)];
    const queue = aQueue(first, second, other);
    const group = queue.take(all);
    expect(group).not.toContain(second);
    expect(group[0]).toBe(first);
    queue.putBack(group);
    expect(queue.take(all)[0]).toBe(first);
  });
});
