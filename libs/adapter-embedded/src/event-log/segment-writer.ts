import type { Disk, DiskFile } from '../disk.js';
import { isMissing } from './log-fault.js';
import { frameParts, type PreparedRecord } from './record-frame.js';
import { segmentHead, segmentHeadBytes, segmentPath, type Segment } from './segment.js';

/** The end of a topic's log, up to which everything is durable. */
export interface LogEnd {
  readonly nextOffset: number;
  /** In the topic's bytes since it was opened. */
  readonly endBytes: number;
}

/**
 * Writes a topic's segments, one group of records after the other. Used by one caller at a time.
 *
 * After any failure the file in hand is never written again: the kernel may report a later sync of
 * it as a success although pages were dropped. Its tail is cut off where possible, and the next group
 * begins a new segment; readers stop at a segment's successor, so what the tail holds does not count.
 */
export class SegmentWriter {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #segmentBytes: number;
  readonly #segments: Segment[];
  #end: LogEnd;
  /** The segment in hand; undefined at the start and after a failure. */
  #file: DiskFile | undefined;
  #durableBytes = 0;

  /** @param segments the topic's segments in order; new ones are added to this very array. */
  constructor(
    disk: Disk,
    directory: string,
    segmentBytes: number,
    segments: Segment[],
    end: LogEnd,
  ) {
    this.#disk = disk;
    this.#directory = directory;
    this.#segmentBytes = segmentBytes;
    this.#segments = segments;
    this.#end = end;
  }

  get end(): LogEnd {
    return this.#end;
  }

  /** Resolves when all of the group are durable; rejects with the disk's error, then none of them is. */
  async write(group: readonly PreparedRecord[]): Promise<void> {
    if (this.#file === undefined || this.#durableBytes >= this.#segmentBytes) await this.#rotate();
    const file = this.#file;
    if (file === undefined) return;
    const parts = group.flatMap((prepared, i) =>
      frameParts(prepared, this.#end.nextOffset + i, this.#durableBytes),
    );
    const bytes = group.reduce((sum, prepared) => sum + prepared.frameBytes, 0);
    try {
      await file.write(parts, this.#durableBytes);
      await file.datasync();
    } catch (error) {
      await this.#abandon(file);
      throw error;
    }
    this.#durableBytes += bytes;
    this.#end = {
      nextOffset: this.#end.nextOffset + group.length,
      endBytes: this.#end.endBytes + bytes,
    };
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #rotate(): Promise<void> {
    await this.close();
    const baseOffset = this.#end.nextOffset;
    const path = segmentPath(this.#directory, baseOffset);
    // A segment of this name can only be one that failed before any of its records was durable.
    if (this.#segments.at(-1)?.baseOffset === baseOffset) this.#segments.pop();
    await this.#disk.unlink(path).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
    const file = await this.#disk.create(path);
    try {
      await file.write([segmentHead(baseOffset)], 0);
      await file.datasync();
      await this.#disk.syncDirectory(this.#directory);
    } catch (error) {
      await file.close().catch(ignoreAfterFailure);
      throw error;
    }
    this.#file = file;
    this.#durableBytes = segmentHeadBytes;
    const startBytes = this.#end.endBytes;
    this.#segments.push({ path, baseOffset, startBytes });
    this.#end = { nextOffset: baseOffset, endBytes: startBytes + segmentHeadBytes };
  }

  async #abandon(file: DiskFile): Promise<void> {
    this.#file = undefined;
    // Best effort: without it the tail stays, behind the successor's base offset.
    await file.truncate(this.#durableBytes).catch(ignoreAfterFailure);
    await file.close().catch(ignoreAfterFailure);
  }
}

/** The failure that matters is being reported already. */
function ignoreAfterFailure(): void {
  // Nothing follows from it.
}
