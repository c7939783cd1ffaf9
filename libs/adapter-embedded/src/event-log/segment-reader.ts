import { CertmillError } from '@certmill/domain';
import type { EventRecord } from '@certmill/ports';
import type { Disk, DiskFile } from '../disk.js';
import { frameHeadBytes, isIntact, parseFrameHead, recordOfBody } from './record-frame.js';
import { segmentHeadBytes, type Segment } from './segment.js';

/** Where a record stands; the segment is found by its base offset. */
export interface Location {
  readonly offset: number;
  readonly segment: Segment;
  /** In the segment's file. */
  readonly position: number;
}

/** A record as read, and where the next one stands. */
export interface ReadRecord {
  readonly record: EventRecord;
  readonly next: Location;
}

/**
 * Reads a topic's records by location, from one open file at a time. Used by one caller at a time,
 * and only below the log's durable end. Every record read has memory of its own.
 * Throws FAULT_STORE_CORRUPT on a record that is not what was written.
 */
export class SegmentReader {
  readonly #disk: Disk;
  #path: string | undefined;
  #file: DiskFile | undefined;
  readonly #maxBodyBytes: number;

  constructor(disk: Disk, maxBodyBytes: number) {
    this.#disk = disk;
    this.#maxBodyBytes = maxBodyBytes;
  }

  async read(at: Location): Promise<ReadRecord> {
    const file = await this.#open(at.segment);
    const head = Buffer.allocUnsafe(frameHeadBytes);
    const bodyBytes = await this.#readHead(file, head, at);
    // Not from the buffer pool: handlers may transfer the value to a worker.
    const body = Buffer.allocUnsafeSlow(bodyBytes);
    const read = await file.read(body, at.position + frameHeadBytes);
    if (read < bodyBytes || !isIntact(head, body)) throw damaged(at);
    return { record: recordOfBody(body), next: after(at, bodyBytes) };
  }

  /** The location behind a record, without its body. */
  async skip(at: Location): Promise<Location> {
    const file = await this.#open(at.segment);
    return after(at, await this.#readHead(file, Buffer.allocUnsafe(frameHeadBytes), at));
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    this.#path = undefined;
    await file?.close();
  }

  async #readHead(file: DiskFile, head: Buffer, at: Location): Promise<number> {
    const read = await file.read(head, at.position);
    const parsed = read === frameHeadBytes ? parseFrameHead(head) : undefined;
    if (parsed?.offset !== at.offset || parsed.bodyBytes > this.#maxBodyBytes) throw damaged(at);
    return parsed.bodyBytes;
  }

  async #open(segment: Segment): Promise<DiskFile> {
    if (this.#file !== undefined && this.#path === segment.path) return this.#file;
    await this.close();
    const file = await this.#disk.open(segment.path);
    this.#file = file;
    this.#path = segment.path;
    return file;
  }
}

/** The first record of a segment. */
export function beginningOf(segment: Segment): Location {
  return { offset: segment.baseOffset, segment, position: segmentHeadBytes };
}

function after(at: Location, bodyBytes: number): Location {
  const position = at.position + frameHeadBytes + bodyBytes;
  return { offset: at.offset + 1, segment: at.segment, position };
}

function damaged({ segment, position }: Location): CertmillError {
  return new CertmillError(
    'FAULT_STORE_CORRUPT',
    `${segment.path}: the record at octet ${String(position)} is damaged`,
  );
}
