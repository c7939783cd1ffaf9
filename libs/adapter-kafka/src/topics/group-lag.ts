import type { AdminCalls } from '../client/admin-calls.js';

/**
 * The consumer group, in Kafka's sense, of one of our groups and a topic. Each topic has its own: members
 * of one group that read different topics would get each other's partitions from kafkajs, and each that
 * comes or goes would halt both lanes.
 */
export function groupIdOf(topic: string, group: string): string {
  return `${group}.${topic}`;
}

/** A partition as a group sees it; -1 where the group has committed nothing. */
export interface PartitionOffsets {
  readonly partition: number;
  readonly low: number;
  readonly high: number;
  readonly committed: number;
}

export function offsetsOf(
  calls: AdminCalls,
  topic: string,
  group: string,
): Promise<PartitionOffsets[]> {
  return calls.call(`the offsets of ${group} in ${topic}`, async (admin) => {
    const groupId = groupIdOf(topic, group);
    // Commits first: what comes in between is lag, and none of it is negative.
    const [commits] = await admin.fetchOffsets({ groupId, topics: [topic] });
    const committed = new Map(
      commits?.partitions.map(({ partition, offset }) => [partition, Number(offset)]),
    );
    const ends = await admin.fetchTopicOffsets(topic);
    return ends.map(({ partition, low, high }) => ({
      partition,
      low: Number(low),
      high: Number(high),
      committed: committed.get(partition) ?? -1,
    }));
  });
}

/** Records that the group has not committed; what is deleted is not counted. */
export function lagOf(offsets: readonly PartitionOffsets[]): number {
  return offsets.reduce(
    (sum, { low, high, committed }) => sum + high - Math.max(low, committed),
    0,
  );
}
