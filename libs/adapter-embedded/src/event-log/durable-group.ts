import type { DeliveredRecord, EventRecord, SubscribeOptions } from '@certmill/ports';
import type { Disk } from '../disk.js';
import { Consumer, type RecordSource } from './consumer.js';
import { deadLetterOf } from './dead-letter.js';
import type { RetryPolicy } from '@certmill/domain';
import { SegmentReader, type Location } from './segment-reader.js';
import type { TopicLog } from './topic-log.js';

/** A record in hand: where it stands, and where the one after it does. */
interface Taken {
  readonly at: Location;
  readonly next: Location;
}

export interface DurableGroupOptions {
  readonly disk: Disk;
  readonly log: TopicLog;
  readonly group: string;
  readonly maxRecordBytes: number;
  readonly policy: RetryPolicy;
  /** Resolves to the place of the dead letter once it is durable. */
  readonly appendDeadLetter: (record: EventRecord) => Promise<string>;
}

/**
 * A group's way through a durable topic: reads records one after the other from the files, hands each
 * to a consumer with room, and commits the low watermark of what is handled without a gap.
 */
export class DurableGroup implements RecordSource<Taken> {
  readonly #options: DurableGroupOptions;
  readonly #reader: SegmentReader;
  readonly #consumers = new Set<Consumer<Taken>>();
  /** Handled or in hand, by offset, from the watermark on; `#handled` says which. */
  readonly #open = new Map<number, Taken>();
  readonly #handled = new Set<number>();
  /** Given back by a consumer that stopped: delivered before anything new. */
  readonly #returned: Location[] = [];
  /** The next record to read; undefined until it is located. */
  #cursor: Location | undefined;
  #watermark: number;
  #pumping: Promise<void> | undefined;

  private constructor(options: DurableGroupOptions, watermark: number) {
    this.#options = options;
    this.#reader = new SegmentReader(options.disk, options.maxRecordBytes);
    this.#watermark = watermark;
    options.log.onAppended(() => {
      this.wake();
    });
  }

  /** Makes the group known, durably, so that no segment is removed before it is consumed. */
  static async open(options: DurableGroupOptions): Promise<DurableGroup> {
    const { log, group } = options;
    await log.offsets.add(group, log.firstOffset);
    const committed = log.offsets.committed(group) ?? log.firstOffset;
    // Below the first offset are only segments whose removal was durable before the commit was.
    return new DurableGroup(options, Math.max(committed, log.firstOffset));
  }

  subscribe(options: SubscribeOptions): Consumer<Taken> {
    const consumer = new Consumer<Taken>(options, this.#options.policy, this);
    this.#consumers.add(consumer);
    this.wake();
    return consumer;
  }

  wake(): void {
    this.#pumping ??= this.#pump().finally(() => {
      this.#pumping = undefined;
      if (this.#canDeliver()) this.wake();
    });
  }

  done({ at, next }: Taken): void {
    // Handled twice: after a time-out its handler may have been slow, not lost.
    if (at.offset < this.#watermark) return;
    this.#open.set(at.offset, { at, next });
    this.#handled.add(at.offset);
    let last: Location | undefined;
    while (this.#handled.delete(this.#watermark)) {
      last = this.#open.get(this.#watermark)?.next;
      this.#open.delete(this.#watermark);
      this.#watermark++;
    }
    if (last !== undefined) this.#options.log.commit(this.#options.group, last);
  }

  returned({ at }: Taken): void {
    this.#open.delete(at.offset);
    this.#returned.push(at);
    this.wake();
  }

  deadLetter(_taken: Taken, record: DeliveredRecord, cause: unknown): Promise<string> {
    const { appendDeadLetter, group } = this.#options;
    return appendDeadLetter(deadLetterOf(record, group, cause));
  }

  async detach(consumer: Consumer<Taken>): Promise<void> {
    this.#consumers.delete(consumer);
    if (this.#consumers.size > 0) return;
    await this.#pumping;
    // What a handler held past its time-out is delivered again, from the watermark on.
    for (const [offset, { at }] of this.#open) {
      if (this.#handled.has(offset)) continue;
      this.#open.delete(offset);
      this.#returned.push(at);
    }
    await this.#reader.close();
    await this.#options.log.offsets.flush().catch(() => {
      // The commits are tried again with the next; redelivery is safe.
    });
  }

  #consumerWithRoom(): Consumer<Taken> | undefined {
    return [...this.#consumers].find((consumer) => consumer.hasRoom);
  }

  #canDeliver(): boolean {
    const { log } = this.#options;
    const nextOffset = this.#cursor?.offset ?? this.#watermark;
    const hasMore = this.#returned.length > 0 || nextOffset < log.endOffset;
    return hasMore && this.#consumerWithRoom() !== undefined;
  }

  async #pump(): Promise<void> {
    while (this.#canDeliver()) {
      try {
        await this.#deliverNext();
      } catch (error) {
        // Nothing can be read any more: every consumer of the group stops and says so.
        for (const consumer of this.#consumers) consumer.halt(error);
      }
    }
  }

  async #deliverNext(): Promise<void> {
    const { log } = this.#options;
    const again = this.#returned.shift();
    const at = again ?? (await this.#nextLocation());
    if (at === undefined) return;
    const { record, next } = await this.#reader.read(at);
    if (again === undefined) this.#cursor = next;
    const consumer = this.#consumerWithRoom();
    const taken = { at, next };
    if (consumer === undefined) {
      this.#returned.push(at);
      return;
    }
    this.#open.set(at.offset, taken);
    consumer.take(taken, { ...record, topic: log.topic, position: `0:${String(at.offset)}` });
  }

  async #nextLocation(): Promise<Location | undefined> {
    const { log } = this.#options;
    const cursor = this.#cursor ?? (await log.locate(this.#reader, this.#watermark));
    if (cursor === undefined) return undefined;
    const at = log.normalize(cursor);
    this.#cursor = at;
    return at;
  }
}
