export type { KafkaConnectionOptions } from './client/kafka-options.js';
export type { KafkaNotice, KafkaNoticeCode, KafkaObserver } from './client/kafka-observer.js';
export { openKafkaLog, type KafkaEventLog, type KafkaLogOptions } from './open-kafka-log.js';
export { groupIdOf } from './topics/group-lag.js';
