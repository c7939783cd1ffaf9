import type { CertmillError } from '@certmill/domain';
import type { EventRecord } from '@certmill/ports';

/** An append on its way. */
export interface PendingRecord {
  readonly topic: string;
  /** Undefined once it is answered, also by its time-out: then it is not sent any more. */
  record: EventRecord | undefined;
  readonly bytes: number;
  /** Sent as a batch of its own, so that its place is known. */
  readonly isAlone: boolean;
  readonly resolve: (place: string | undefined) => void;
  readonly reject: (fault: CertmillError) => void;
}

export interface BatchBounds {
  readonly maxBytes: number;
  readonly maxRecords: number;
}

/** What waits to be sent, by topic; the topics take turns. */
export class PendingRecords {
  readonly #bounds: BatchBounds;
  readonly #byTopic = new Map<string, PendingRecord[]>();

  constructor(bounds: BatchBounds) {
    this.#bounds = bounds;
  }

  push(pending: PendingRecord): void {
    const queue = this.#byTopic.get(pending.topic);
    if (queue === undefined) this.#byTopic.set(pending.topic, [pending]);
    else queue.push(pending);
  }

  /** Puts back what could not be sent, before what came after it. */
  putBack(batch: readonly PendingRecord[]): void {
    const [first] = batch;
    if (first === undefined) return;
    const behind = this.#byTopic.get(first.topic) ?? [];
    this.#byTopic.set(first.topic, [...batch, ...behind]);
  }

  /**
   * The next batch, all of one topic: at least one record, and no more than the bounds allow. Empty
   * where nothing waits but for topics that are held.
   */
  take(held: ReadonlySet<string>): PendingRecord[] {
    for (const [topic, queue] of [...this.#byTopic]) {
      if (held.has(topic)) continue;
      this.#byTopic.delete(topic);
      const live = queue.filter(({ record }) => record !== undefined);
      const count = this.#countOf(live);
      if (count === 0) continue;
      // At the end of the Map: the other topics come first now.
      if (count < live.length) this.#byTopic.set(topic, live.slice(count));
      return live.slice(0, count);
    }
    return [];
  }

  #countOf(queue: readonly PendingRecord[]): number {
    let bytes = 0;
    let count = 0;
    for (const pending of queue) {
      bytes += pending.bytes;
      const isFull = bytes > this.#bounds.maxBytes || count >= this.#bounds.maxRecords;
      if (count > 0 && (isFull || pending.isAlone)) break;
      count++;
      if (pending.isAlone) break;
    }
    return count;
  }
}
