import { deadLetterTopicOf, groups, topics } from '@certmill/events';
import type { Lane } from '@certmill/domain';
import type { ConsumingStage } from '@certmill/pipeline';
import type { FleetConfig } from './config/fleet-config.js';

/** A topic as `fleet init` makes it and every service finds it. */
export interface TopicSpec {
  readonly topic: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly config: Readonly<Record<string, string>>;
}

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

/** Of a record with its headers (DESIGN 4). */
export const maxRecordBytes = 4 * 1024 * 1024;

/** Every topic of a fleet with its settings (DESIGN 4, 5). */
export function topicSpecs({ kafka }: Pick<FleetConfig, 'kafka'>): readonly TopicSpec[] {
  const durable = {
    'cleanup.policy': 'delete',
    // Records go when every group has committed them, never by age.
    'retention.ms': '-1',
    'retention.bytes': '-1',
    'max.message.bytes': String(maxRecordBytes),
    'min.insync.replicas': String(kafka.minInsyncReplicas),
    'unclean.leader.election.enable': 'false',
  };
  const { replicationFactor, partitions } = kafka;
  const stages = readers.flatMap(({ group, topics: byLane }) =>
    (['bulk', 'interactive'] as const).flatMap((lane): TopicSpec[] => [
      { topic: byLane[lane], partitions: partitions[lane], replicationFactor, config: durable },
      {
        topic: deadLetterTopicOf(byLane[lane], group),
        partitions: 1,
        replicationFactor,
        config: durable,
      },
    ]),
  );
  return [
    ...stages,
    {
      topic: topics.certificatesPublished,
      partitions: partitions.interactive,
      replicationFactor,
      config: { ...durable, 'retention.ms': String(kafka.noticeRetentionMs) },
    },
  ];
}
