import type { Stoppable } from '@certmill/ports';
import { AdminCalls } from '../client/admin-calls.js';
import type { KafkaConnectionOptions } from '../client/kafka-options.js';
import type { ClusterReport, ClusterSpec } from './cluster-spec.js';
import { deleteConsumed, type TopicReaders } from './delete-consumed.js';
import { checkCluster } from './describe-cluster.js';
import { describeLag, type GroupState } from './describe-lag.js';
import { ensureTopics, type EnsuredTopics } from './ensure-topics.js';

/** What is done to a cluster from outside the pipeline. Every call throws FAULT_BUS_DOWN after some tries. */
export interface KafkaAdmin extends Stoppable {
  /** Makes topics and partitions that are missing; changes nothing else, and says what differs. */
  ensureTopics(spec: ClusterSpec): Promise<EnsuredTopics>;
  /** What every service asks at its start. */
  checkTopics(spec: ClusterSpec): Promise<ClusterReport>;
  /** Deletes what all groups of a topic have committed; resolves to how many records, of all topics. */
  deleteConsumed(topics: readonly TopicReaders[]): Promise<number>;
  describeLag(topics: readonly TopicReaders[]): Promise<GroupState[]>;
}

/** Connects at the first call. */
export function openKafkaAdmin(options: KafkaConnectionOptions): KafkaAdmin {
  const calls = new AdminCalls(options);
  return {
    ensureTopics: (spec) => ensureTopics(calls, spec),
    checkTopics: (spec) => checkCluster(calls, spec),
    async deleteConsumed(topics) {
      let deleted = 0;
      for (const readers of topics) deleted += await deleteConsumed(calls, readers);
      return deleted;
    },
    describeLag: (topics) =>
      Promise.all(
        topics.flatMap(({ topic, groups }) =>
          groups.map((group) => describeLag(calls, topic, group)),
        ),
      ),
    stop: () => calls.stop(),
  };
}
