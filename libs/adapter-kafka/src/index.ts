export type { KafkaConnectionOptions } from './client/kafka-options.js';
export type { KafkaNotice, KafkaNoticeCode, KafkaObserver } from './client/kafka-observer.js';
export {
  causeOfDeadLetter,
  deadLetterOverheadBytes,
  recordOfDeadLetter,
  type DeadLetterCause,
} from './dead-letters/dead-letter.js';
export { openKafkaLog, type KafkaEventLog, type KafkaLogOptions } from './open-kafka-log.js';
export { groupIdOf } from './topics/group-lag.js';
export { openKafkaAdmin, type KafkaAdmin } from './topics/open-kafka-admin.js';
export type { ClusterReport, ClusterSpec, TopicSpec } from './topics/cluster-spec.js';
export type { TopicReaders } from './topics/delete-consumed.js';
export type { GroupState } from './topics/describe-lag.js';
export type { EnsuredTopics } from './topics/ensure-topics.js';
