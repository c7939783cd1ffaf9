import { CertmillError } from '@certmill/domain';
import type { EventRecord } from '@certmill/ports';
import type { Disk } from '../disk.js';
import { GroupOffsets } from './group-offsets.js';
import { logFault, stopping } from './log-fault.js';
import { prepareRecord, type PreparedRecord } from './record-frame.js';
import {
  baseOffsetOf,
  findSegmentEnd,
  hasSegmentHead,
  segmentHeadBytes,
  segmentPath,
  type Segment,
} from './segment.js';
import { beginningOf, type Location, type SegmentReader } from './segment-reader.js';
import { SegmentWriter, type LogEnd } from './segment-writer.js';

export interface TopicLogOptions {
  readonly disk: Disk;
  readonly topic: string;
  readonly directory: string;
  readonly maxRecordBytes: number;
  readonly segmentBytes: number;
  readonly maxBacklogBytes: number;
  readonly backlogWaitMs: number;
  /** True while a copy is being made: nothing is removed then. */
  readonly isHeld: () => boolean;
}

interface WaitingAppend {
  readonly prepared: PreparedRecord;
  readonly resolve: (offset: number) => void;
  readonly reject: (error: unknown) => void;
  /** Set while the append waits for the backlog to shrink. */
  timer?: NodeJS.Timeout;
}

/** One write and one sync carry at most so much: an append never waits for more than two of them. */
const maxGroupBytes = 8 * 1024 * 1024;

/**
 * One durable topic: appends with group commit, the offsets of its groups, and the removal of
 * segments that all of them have consumed.
 */
export class TopicLog {
  readonly topic: string;
  readonly offsets: GroupOffsets;
  readonly #options: TopicLogOptions;
  readonly #segments: Segment[];
  readonly #writer: SegmentWriter;
  /** Where each group's committed offset stands in the topic's bytes. */
  readonly #committedBytes = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  /** Behind the bound, in order of arrival. */
  readonly #waiting: WaitingAppend[] = [];
  #queue: WaitingAppend[] = [];
  #queuedBytes = 0;
  #writing: Promise<void> | undefined;
  #isStopping = false;

  private constructor(
    options: TopicLogOptions,
    segments: Segment[],
    end: LogEnd,
    offsets: GroupOffsets,
  ) {
    const { disk, topic, directory, segmentBytes } = options;
    this.topic = topic;
    this.offsets = offsets;
    this.#options = options;
    this.#segments = segments;
    this.#writer = new SegmentWriter(disk, directory, segmentBytes, segments, end);
    for (const group of offsets.groups) {
      this.#committedBytes.set(group, this.#segmentOf(offsets.committed(group) ?? 0).startBytes);
    }
  }

  /** Opens or creates the topic; cuts off a torn tail. Throws FAULT_STORE_CORRUPT. */
  static async open(options: TopicLogOptions): Promise<TopicLog> {
    const { disk, directory } = options;
    await disk.makeDirectory(directory);
    let log: TopicLog | undefined = undefined;
    const offsets = await GroupOffsets.open(disk, directory, async () => {
      await log?.removeConsumed();
    });
    const { segments, end } = await openSegments(disk, directory);
    log = new TopicLog(options, segments, end, offsets);
    return log;
  }

  /** The first offset that is not durable yet. */
  get endOffset(): number {
    return this.#writer.end.nextOffset;
  }

  /** The first offset that is still there. */
  get firstOffset(): number {
    return this.#segments[0]?.baseOffset ?? this.endOffset;
  }

  /** Calls back whenever records became durable. */
  onAppended(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Resolves to the record's offset once it is durable. */
  append(record: EventRecord): Promise<number> {
    const prepared = prepareRecord(record);
    const { maxRecordBytes } = this.#options;
    if (prepared.frameBytes > maxRecordBytes) {
      const size = `${String(prepared.frameBytes)} octets, over ${String(maxRecordBytes)}`;
      throw new CertmillError('INVALID_INPUT', `a record for ${this.topic} has ${size}`);
    }
    if (this.#isStopping) throw stopping();
    return new Promise((resolve, reject) => {
      const append: WaitingAppend = { prepared, resolve, reject };
      if (this.#waiting.length === 0 && this.#hasRoom(prepared)) this.#enqueue(append);
      else this.#waitForRoom(append);
    });
  }

  /** Where a location is after the segment it runs out of; the same where there is no successor. */
  normalize(at: Location): Location {
    const segment = this.#segmentOf(at.offset);
    return segment.path === at.segment.path ? at : beginningOf(segment);
  }

  /** Where a record stands, found by reading heads from its segment's beginning. */
  async locate(reader: SegmentReader, offset: number): Promise<Location | undefined> {
    if (this.#segments.length === 0) return undefined;
    let at = beginningOf(this.#segmentOf(offset));
    while (at.offset < offset) at = await reader.skip(at);
    return at;
  }

  /** Records that the group has handled everything before a location. */
  commit(group: string, next: Location): void {
    this.#committedBytes.set(group, next.segment.startBytes + next.position);
    this.offsets.commit(group, next.offset);
    this.#admitWaiting();
  }

  /** Takes nothing new; waits for what is being written and persists the offsets. */
  async close(): Promise<void> {
    this.#isStopping = true;
    for (const append of this.#waiting.splice(0)) {
      clearTimeout(append.timer);
      append.reject(stopping());
    }
    await this.#writing;
    await this.offsets.flush().catch(() => {
      // Offsets that stay behind mean redelivery, which every handler takes.
    });
    await this.#writer.close();
  }

  /** Removes segments that every known group has durably consumed; without a group, none. */
  async removeConsumed(): Promise<void> {
    const lowest = this.offsets.lowestPersisted;
    if (lowest === undefined || this.#options.isHeld()) return;
    for (;;) {
      const [first, second] = this.#segments;
      if (first === undefined || second === undefined || second.baseOffset > lowest) break;
      this.#segments.shift();
      // One that cannot be removed now is found and removed after the next start.
      await this.#options.disk.unlink(first.path).catch(() => undefined);
    }
    this.#admitWaiting();
  }

  #segmentOf(offset: number): Segment {
    const found = this.#segments.findLast((segment) => segment.baseOffset <= offset);
    return (
      found ??
      this.#segments[0] ?? {
        path: segmentPath(this.#options.directory, this.endOffset),
        baseOffset: this.endOffset,
        startBytes: this.#writer.end.endBytes,
      }
    );
  }

  #backlogBytes(): number {
    const first = this.#segments[0]?.startBytes ?? 0;
    const committed = [...this.#committedBytes.values()];
    const slowest = committed.length === 0 ? first : Math.min(...committed);
    return Math.max(0, this.#writer.end.endBytes - slowest) + this.#queuedBytes;
  }

  #hasRoom(prepared: PreparedRecord): boolean {
    const backlog = this.#backlogBytes();
    // A record of any size passes an empty log; a segment's head is no record.
    return (
      backlog <= segmentHeadBytes || backlog + prepared.frameBytes <= this.#options.maxBacklogBytes
    );
  }

  #waitForRoom(append: WaitingAppend): void {
    append.timer = setTimeout(() => {
      this.#waiting.splice(this.#waiting.indexOf(append), 1);
      const message = `${this.topic} is over its backlog; its consumers are behind`;
      append.reject(new CertmillError('FAULT_OVERLOADED', message));
      this.#admitWaiting();
    }, this.#options.backlogWaitMs);
    this.#waiting.push(append);
  }

  #admitWaiting(): void {
    for (;;) {
      const append = this.#waiting[0];
      if (append === undefined || !this.#hasRoom(append.prepared)) return;
      this.#waiting.shift();
      clearTimeout(append.timer);
      this.#enqueue(append);
    }
  }

  #enqueue(append: WaitingAppend): void {
    this.#queue.push(append);
    this.#queuedBytes += append.prepared.frameBytes;
    this.#writing ??= this.#writeQueued().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Group commit: what arrives during one sync is written together and made durable by the next. */
  async #writeQueued(): Promise<void> {
    // Appends of one turn of the event loop go together.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const group = this.#nextGroup();
      const first = this.#writer.end.nextOffset;
      try {
        await this.#writer.write(group.map(({ prepared }) => prepared));
        for (const [i, { resolve }] of group.entries()) resolve(first + i);
      } catch (error) {
        const fault = logFault(this.topic, error);
        for (const { reject } of group) reject(fault);
      }
      for (const { prepared } of group) this.#queuedBytes -= prepared.frameBytes;
      for (const listener of this.#listeners) listener();
      this.#admitWaiting();
    }
  }

  #nextGroup(): readonly WaitingAppend[] {
    let bytes = 0;
    const cut = this.#queue.findIndex(({ prepared }, i) => {
      bytes += prepared.frameBytes;
      return i > 0 && bytes > maxGroupBytes;
    });
    const group = cut < 0 ? this.#queue : this.#queue.slice(0, cut);
    this.#queue = cut < 0 ? [] : this.#queue.slice(cut);
    return group;
  }
}

async function openSegments(
  disk: Disk,
  directory: string,
): Promise<{ segments: Segment[]; end: LogEnd }> {
  const bases = (await disk.list(directory))
    .flatMap((name) => baseOffsetOf(name) ?? [])
    .sort((a, b) => a - b);
  const segments: Segment[] = [];
  let startBytes = 0;
  for (const [i, baseOffset] of bases.entries()) {
    const path = segmentPath(directory, baseOffset);
    const file = await disk.open(path);
    let bytes: number;
    let isWhole: boolean;
    try {
      isWhole = await hasSegmentHead(file, baseOffset, path);
      bytes = await file.size();
    } finally {
      await file.close();
    }
    if (isWhole) {
      segments.push({ path, baseOffset, startBytes });
    } else if (i < bases.length - 1) {
      throw new CertmillError('FAULT_STORE_CORRUPT', `${path} does not begin as a log segment`);
    } else {
      // Its creation was cut off: no record was ever in it.
      await disk.unlink(path);
    }
    startBytes += bytes;
  }
  const last = segments.at(-1);
  if (last === undefined) return { segments, end: { nextOffset: bases[0] ?? 0, endBytes: 0 } };
  const { nextOffset, endBytes, tornBytes } = await findSegmentEnd(disk, last);
  if (tornBytes > 0) await truncate(disk, last.path, endBytes);
  return { segments, end: { nextOffset, endBytes: last.startBytes + endBytes } };
}

async function truncate(disk: Disk, path: string, length: number): Promise<void> {
  const file = await disk.open(path);
  try {
    await file.truncate(length);
    await file.datasync();
  } finally {
    await file.close();
  }
}
