/** What a log says of itself: closed codes to switch on, no secrets; causes are for the log only. */
export interface KafkaNotice {
  readonly level: 'info' | 'warn' | 'error';
  readonly code: KafkaNoticeCode;
  readonly message: string;
  readonly topic?: string;
  readonly group?: string;
  readonly cause?: unknown;
}

export type KafkaNoticeCode =
  /** A line of the client library. */
  | 'client'
  | 'group-joined'
  | 'group-rebalancing'
  /** The group went on without this member: what it had in hand is dropped. */
  | 'commit-refused'
  | 'commit-failed'
  | 'member-restarting'
  /** A record that must go cannot be made a dead letter: its partition gets no further. */
  | 'burial-failed'
  | 'halted';

export type KafkaObserver = (notice: KafkaNotice) => void;
