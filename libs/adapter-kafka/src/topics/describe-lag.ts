import type { AdminCalls } from '../client/admin-calls.js';
import { groupIdOf, lagOf, offsetsOf } from './group-lag.js';

/** How a group fares in a topic, for people who watch. */
export interface GroupState {
  readonly topic: string;
  readonly group: string;
  /** Records that it has not committed. */
  readonly lag: number;
  /** Of the partition that is behind the most. */
  readonly worstLag: number;
  readonly partitions: number;
  readonly members: number;
  /** Kafka's word: Stable, PreparingRebalance, CompletingRebalance, Empty, Dead. */
  readonly state: string;
}

export async function describeLag(
  calls: AdminCalls,
  topic: string,
  group: string,
): Promise<GroupState> {
  const offsets = await offsetsOf(calls, topic, group);
  const groupId = groupIdOf(topic, group);
  const { groups } = await calls.call(`the group ${group} of ${topic}`, (admin) =>
    admin.describeGroups([groupId]),
  );
  const description = groups.find((candidate) => candidate.groupId === groupId);
  return {
    topic,
    group,
    lag: lagOf(offsets),
    worstLag: Math.max(0, ...offsets.map((partition) => lagOf([partition]))),
    partitions: offsets.length,
    members: description?.members.length ?? 0,
    state: description?.state ?? 'Dead',
  };
}
