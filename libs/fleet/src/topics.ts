import {
  deadLetterOverheadBytes,
  type ClusterSpec,
  type TopicReaders,
  type TopicSpec,
} from '@certmill/adapter-kafka';
import { deadLetterTopicOf, groups, topics } from '@certmill/events';
import { maxRecordBytes, type Lane } from '@certmill/domain';
import type { ConsumingStage } from '@certmill/pipeline';
import type { FleetConfig } from './config/fleet-config.js';

/** Which group reads which topics: the stages, in the order of the way of a request. */
export const readers = [
  { stage: 'validate', group: groups.validate, topics: topics.requestsReceived },
  { stage: 'sign', group: groups.sign, topics: topics.requestsValidated },
  { stage: 'publish', group: groups.publish, topics: topics.certificatesIssued },
] as const satisfies readonly {
  readonly stage: ConsumingStage;
  readonly group: string;
  readonly topics: Record<Lane, string>;
}[];

/** Topics whose records no bulk record may be before. */
export const urgentTopics: readonly string[] = [
  ...readers.map((reader) => reader.topics.interactive),
  topics.certificatesPublished,
];

/** For what looks at all of them. */
export const topicReaders: readonly TopicReaders[] = readers.flatMap(({ group, topics: byLane }) =>
  Object.values(byLane).map((topic) => ({ topic, groups: [group] })),
);

/** Factories close for weeks: offsets of a group without members outlive that. */
const minOffsetsRetentionMinutes = 30 * 24 * 60;

/** Every topic of a fleet with its settings (DESIGN 4, 5). */
export function clusterSpec({ kafka }: Pick<FleetConfig, 'kafka'>): ClusterSpec {
  const durable = {
    'cleanup.policy': 'delete',
    // Records go when every group has committed them, never by age.
    'retention.ms': '-1',
    'retention.bytes': '-1',
    'max.message.bytes': String(maxRecordBytes),
    'min.insync.replicas': String(kafka.minInsyncReplicas),
    'unclean.leader.election.enable': 'false',
    // What a foreign client compresses is unpacked by the brokers: no consumer needs its codec, or its memory.
    'compression.type': 'uncompressed',
  };
  const { replicationFactor, partitions } = kafka;
  const stages = readers.flatMap(({ group, topics: byLane }) =>
    (['bulk', 'interactive'] as const).flatMap((lane): TopicSpec[] => [
      { topic: byLane[lane], partitions: partitions[lane], replicationFactor, configs: durable },
      {
        topic: deadLetterTopicOf(byLane[lane], group),
        partitions: 1,
        replicationFactor,
        configs: {
          ...durable,
          // A record that fills its topic's limit fits with its cause.
          'max.message.bytes': String(maxRecordBytes + deadLetterOverheadBytes),
        },
      },
    ]),
  );
  const notices: TopicSpec = {
    topic: topics.certificatesPublished,
    partitions: partitions.interactive,
    replicationFactor,
    configs: { ...durable, 'retention.ms': String(kafka.noticeRetentionMs) },
  };
  return { topics: [...stages, notices], minOffsetsRetentionMinutes };
}
