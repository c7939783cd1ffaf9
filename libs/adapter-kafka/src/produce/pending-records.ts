import type { CertmillError } from '@certmill/domain';
import type { EventRecord } from '@certmill/ports';

/** An append on its way. */
export interface PendingRecord {
  readonly topic: string;
  /** Undefined until the partitions of its topic are known. */
  partition: number | undefined;
  /** Undefined once it is answered, also by its time-out: then it is not sent any more. */
  record: EventRecord | undefined;
  readonly bytes: number;
  /** Sent as a batch of its own: it is not sent again because another record failed. */
  readonly isAlone: boolean;
  readonly resolve: (place: string | undefined) => void;
  readonly reject: (fault: CertmillError) => void;
}

export interface BatchBounds {
  readonly maxBytes: number;
  readonly maxRecords: number;
}

/** Where a record waits: a partition, or what of a topic has none yet. */
export type Lane = Pick<PendingRecord, 'topic' | 'partition'>;

type Queues = Map<number | undefined, PendingRecord[]>;

/** What waits to be sent, by topic and partition; the topics take turns, and the partitions of each. */
export class PendingRecords {
  readonly #bounds: BatchBounds;
  readonly #byTopic = new Map<string, Queues>();

  constructor(bounds: BatchBounds) {
    this.#bounds = bounds;
  }

  push(pending: PendingRecord): void {
    const queues = this.#queuesOf(pending.topic);
    const queue = queues.get(pending.partition);
    if (queue === undefined) queues.set(pending.partition, [pending]);
    else queue.push(pending);
  }

  /** Puts back what could not be sent, before what came after it. */
  putBack(batch: readonly PendingRecord[]): void {
    for (const [partition, records] of Map.groupBy(batch, (pending) => pending.partition)) {
      const [first] = records;
      if (first === undefined) continue;
      const queues = this.#queuesOf(first.topic);
      queues.set(partition, [...records, ...(queues.get(partition) ?? [])]);
    }
  }

  /**
   * The next batch, all of one topic, of the lanes that are open: at least one record, and no more than
   * the bounds allow. Empty where nothing waits in them.
   */
  take(isOpen: (lane: Lane) => boolean): PendingRecord[] {
    return this.#take(isOpen, Infinity);
  }

  /** As `take`, of one lane. */
  takeOfOne(isOpen: (lane: Lane) => boolean): PendingRecord[] {
    return this.#take(isOpen, 1);
  }

  #queuesOf(topic: string): Queues {
    let queues = this.#byTopic.get(topic);
    if (queues === undefined) {
      queues = new Map();
      this.#byTopic.set(topic, queues);
    }
    return queues;
  }

  #take(isOpen: (lane: Lane) => boolean, maxLanes: number): PendingRecord[] {
    for (const [topic, queues] of [...this.#byTopic]) {
      const open = this.#openOf(topic, queues, isOpen, maxLanes);
      const batch = this.#cut([...open.values()]);
      for (const { partition } of batch) {
        // At the end of the Map: the other partitions come first now.
        const rest = queues.get(partition);
        queues.delete(partition);
        if (rest !== undefined && rest.length > 0) queues.set(partition, rest);
      }
      if (queues.size === 0) this.#byTopic.delete(topic);
      if (batch.length === 0) continue;
      this.#byTopic.delete(topic);
      if (queues.size > 0) this.#byTopic.set(topic, queues);
      return batch;
    }
    return [];
  }

  /** The lanes to take from, without what is answered. */
  #openOf(
    topic: string,
    queues: Queues,
    isOpen: (lane: Lane) => boolean,
    maxLanes: number,
  ): Queues {
    const open: Queues = new Map();
    for (const [partition, queue] of [...queues]) {
      if (open.size === maxLanes) break;
      if (!isOpen({ topic, partition })) continue;
      const live = queue.filter(({ record }) => record !== undefined);
      if (live.length === 0) {
        queues.delete(partition);
      } else {
        queues.set(partition, live);
        open.set(partition, live);
      }
    }
    return open;
  }

  /** Takes one record of each queue in turn, until the batch is full. */
  #cut(queues: readonly PendingRecord[][]): PendingRecord[] {
    const { maxBytes, maxRecords } = this.#bounds;
    const batch: PendingRecord[] = [];
    let bytes = 0;
    for (let before = -1; before < batch.length;) {
      before = batch.length;
      for (const queue of queues) {
        const [next] = queue;
        if (next === undefined || (next.isAlone && batch.length > 0)) continue;
        const isFull = bytes + next.bytes > maxBytes || batch.length >= maxRecords;
        if (isFull && batch.length > 0) return batch;
        queue.shift();
        batch.push(next);
        bytes += next.bytes;
        if (next.isAlone) return batch;
      }
    }
    return batch;
  }
}
