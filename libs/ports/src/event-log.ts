/** A record as it travels: attributes and bytes. */
export interface EventRecord {
  /** Printable ASCII, CloudEvents attributes (`ce_*`), `content-type`, `traceparent`, the seal. */
  readonly headers: Readonly<Record<string, string>>;
  /** Spreads records over partitions; records of one key keep their order only within a partition. */
  readonly key: string;
  readonly value: Uint8Array;
}

export interface DeliveredRecord extends EventRecord {
  readonly topic: string;
  /** `partition:offset`, for logs and dead letters. */
  readonly position: string;
}

/**
 * Handles one record. Resolving means that its effect is durable; rejecting with a CertmillError of
 * disposition `retry` redelivers it after a pause, `dead-letter` moves it to the dead-letter topic,
 * `halt` stops the consumer. Any other error counts as `retry`, bounded, then dead-letter.
 */
export type RecordHandler = (record: DeliveredRecord) => Promise<void>;

export interface SubscribeOptions {
  readonly topic: string;
  readonly group: string;
  /**
   * Where a group begins that has committed nothing yet: with every record that is kept (the default),
   * or with what is appended once it listens, for hints that are worth nothing later.
   */
  readonly from?: 'earliest' | 'latest';
  /** Records in hand at once, across partitions. Memory is bounded by this times the record size. */
  readonly concurrency: number;
  readonly handler: RecordHandler;
  /**
   * Called once a record is durable as a dead letter and before it counts as handled, whatever the
   * cause; the record stays in hand and is tried again where it rejects. `place` is what
   * `readDeadLetter` finds it by.
   */
  readonly onDeadLetter?: (record: DeliveredRecord, cause: unknown, place: string) => Promise<void>;
  /** Called once when a handler's fault has disposition `halt`: the stage must go red. */
  readonly onHalt?: (error: Error) => void;
}

export interface Subscription {
  /** Stops delivery, waits for what is in hand at most `timeoutMs`, commits what is done. */
  stop(timeoutMs: number): Promise<void>;
}

/**
 * The event log. At-least-once: after `append` resolves, the record MUST NOT be lost, and every group
 * gets it at least once, also after kill -9. Delivery order across records is not promised.
 */
export interface EventLog {
  /**
   * Resolves when the record is safe: on disk (or on min ISR brokers), or, for an in-memory relay
   * topic, handled by every group. Waits while the log is over its bound (back-pressure).
   * Faults: FAULT_BUS_DOWN, FAULT_DISK_FULL (retry); INVALID_INPUT where the record is over the limit.
   */
  append(topic: string, record: EventRecord): Promise<void>;
  subscribe(options: SubscribeOptions): Promise<Subscription>;
  /**
   * A dead letter that the group made of a record of the topic, as the record was appended: it may be
   * appended again. Undefined where nothing is kept at that place.
   */
  readDeadLetter(topic: string, group: string, place: string): Promise<EventRecord | undefined>;
  /** Records appended and not yet committed by the group: the lag. */
  lag(topic: string, group: string): Promise<number>;
}
