import { CertmillError } from '@certmill/domain';
import type { AdminCalls } from '../client/admin-calls.js';
import { offsetsOf, type PartitionOffsets } from './group-lag.js';

/** A topic and every group that reads it. */
export interface TopicReaders {
  readonly topic: string;
  readonly groups: readonly string[];
}

/**
 * Deletes what every group has committed, partition by partition; resolves to how many records. A
 * group that has committed nothing in a partition holds all of it.
 */
export async function deleteConsumed(
  calls: AdminCalls,
  { topic, groups }: TopicReaders,
): Promise<number> {
  if (groups.length === 0) {
    throw new CertmillError('INVALID_INPUT', `nobody reads ${topic}: nothing of it is consumed`);
  }
  const byGroup = await Promise.all(groups.map((group) => offsetsOf(calls, topic, group)));
  const consumed = consumedOf(byGroup);
  if (consumed.length === 0) return 0;
  const partitions = consumed.map(({ partition, until }) => ({ partition, offset: String(until) }));
  await calls.call(`the consumed records of ${topic}`, async (admin) => {
    // Deleting needs to know the leaders.
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions });
  });
  return consumed.reduce((sum, { from, until }) => sum + until - from, 0);
}

/** Each topic by itself: one that fails leaves the others to be done. Throws the first failure, at the end. */
export async function eachTopic<T>(
  topics: readonly T[],
  act: (topic: T) => Promise<number>,
): Promise<number> {
  let sum = 0;
  const failures: unknown[] = [];
  for (const topic of topics) {
    try {
      sum += await act(topic);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return sum;
}

interface Consumed {
  readonly partition: number;
  readonly from: number;
  readonly until: number;
}

/** By partition, the records below the commit of the slowest group; partitions without any are left out. */
export function consumedOf(byGroup: readonly (readonly PartitionOffsets[])[]): Consumed[] {
  const consumed = new Map<number, Consumed>();
  for (const { partition, low, committed } of byGroup.flat()) {
    const known = consumed.get(partition);
    consumed.set(partition, {
      partition,
      from: Math.max(low, known?.from ?? low),
      until: Math.min(committed, known?.until ?? committed),
    });
  }
  return [...consumed.values()].filter(({ from, until }) => until > from);
}
