import type { DeliveredRecord, Stoppable } from '@certmill/ports';
import { AdminCalls } from '../client/admin-calls.js';
import { parsePlace } from '../client/record-codec.js';
import type { KafkaConnectionOptions } from '../client/kafka-options.js';
import type { ClusterReport, ClusterSpec } from './cluster-spec.js';
import { deleteConsumed, eachTopic, type TopicReaders } from './delete-consumed.js';
import { deleteUpTo } from './delete-up-to.js';
import { checkCluster } from './describe-cluster.js';
import { describeLag, type GroupState } from './describe-lag.js';
import { readRanges, readRecord, type RecordReader } from '../client/fetch-records.js';
import { groupIdOf, offsetsOf } from './group-lag.js';
import { passOver } from './pass-over.js';
import { ensureTopics, type EnsuredTopics } from './ensure-topics.js';

/**
 * What is done to a cluster from outside the pipeline. Every call throws FAULT_BUS_DOWN after some tries,
 * CONFIG_INVALID where credentials or certificates are not accepted.
 */
export interface KafkaAdmin extends Stoppable {
  /** Makes topics and partitions that are missing; changes nothing else, and says what differs. */
  ensureTopics(spec: ClusterSpec): Promise<EnsuredTopics>;
  /** What every service asks at its start. */
  checkTopics(spec: ClusterSpec): Promise<ClusterReport>;
  /**
   * Deletes what all groups of a topic have committed; resolves to how many records, of all topics.
   * One that fails leaves the others to be done: the first failure is thrown at the end.
   */
  deleteConsumed(topics: readonly TopicReaders[]): Promise<number>;
  /** Removes a group that nobody is a member of, with its offsets. */
  deleteGroup(topic: string, group: string): Promise<void>;
  describeLag(topics: readonly TopicReaders[]): Promise<GroupState[]>;
  /** The groups that have members now, of those whose names begin so. */
  groupsInUse(prefix: string): Promise<string[]>;
  /** Reads what a group has not committed of a topic, as it is now. */
  readUncommitted(topic: string, group: string, onRecord: RecordReader): Promise<void>;
  /** Reads all that is kept of a topic, as it is now, partition by partition. */
  readAll(topic: string, onRecord: RecordReader): Promise<void>;
  /** The record at a place, as dead letters have; undefined where there is none. */
  readAt(topic: string, place: string): Promise<DeliveredRecord | undefined>;
  /**
   * Deletes a record, by its place, and all before it in its partition: single ones cannot be deleted.
   * Resolves to how many. NOT_FOUND where there is no such place, or nothing is left up to it.
   */
  deleteUpTo(topic: string, place: string): Promise<number>;
  /** Shows all that is kept of a topic, then lets a group without members go on behind it. */
  passOver(
    topic: string,
    group: string,
    onRecord: (record: DeliveredRecord) => Promise<void>,
  ): Promise<number>;
}

/** Connects at the first call. */
export function openKafkaAdmin(options: KafkaConnectionOptions): KafkaAdmin {
  const calls = new AdminCalls(options);
  return {
    ensureTopics: (spec) => ensureTopics(calls, spec),
    checkTopics: (spec) => checkCluster(calls, spec),
    deleteConsumed: (topics) => eachTopic(topics, (readers) => deleteConsumed(calls, readers)),
    async deleteGroup(topic, group) {
      const groupId = groupIdOf(topic, group);
      await calls.call(`the group ${groupId}`, async (admin) => {
        const { groups } = await admin.describeGroups([groupId]);
        // One that has members is in use; of one that never was there is nothing.
        if (groups.some(({ state }) => state === 'Empty')) await admin.deleteGroups([groupId]);
      });
    },
    describeLag: (topics) =>
      Promise.all(
        topics.flatMap(({ topic, groups }) =>
          groups.map((group) => describeLag(calls, topic, group)),
        ),
      ),
    groupsInUse: (prefix) =>
      calls.call(`the groups ${prefix}*`, async (admin) => {
        const { groups } = await admin.listGroups();
        const wanted = groups.map(({ groupId }) => groupId).filter((id) => id.startsWith(prefix));
        if (wanted.length === 0) return [];
        const described = await admin.describeGroups(wanted);
        return described.groups
          .filter(({ members }) => members.length > 0)
          .map(({ groupId }) => groupId);
      }),
    async readUncommitted(topic, group, onRecord) {
      const offsets = await offsetsOf(calls, topic, group);
      const ranges = offsets.map(({ partition, low, high, committed }) => {
        return { partition, from: Math.max(low, committed), to: high };
      });
      await readRanges(options, topic, ranges, onRecord);
    },
    async readAll(topic, onRecord) {
      const ends = await calls.call(`the offsets of ${topic}`, (admin) =>
        admin.fetchTopicOffsets(topic),
      );
      const ranges = ends.map(({ partition, low, high }) => {
        return { partition, from: Number(low), to: Number(high) };
      });
      ranges.sort((a, b) => a.partition - b.partition);
      await readRanges(options, topic, ranges, onRecord);
    },
    passOver: (topic, group, onRecord) => passOver(calls, options, { topic, group }, onRecord),
    async readAt(topic, place) {
      const at = parsePlace(place);
      return at && (await readRecord(options, topic, at));
    },
    deleteUpTo: (topic, place) => deleteUpTo(calls, topic, place),
    stop: () => calls.stop(),
  };
}
