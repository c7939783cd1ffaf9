import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
  truncateSync,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { CertmillError } from '@certmill/domain';
import { storeFault } from './store-fault.js';
import type { StoreDisk } from './store-disk.js';

/** Where a segment lies: pointer rows hold this. */
export interface SegmentPlace {
  readonly file: number;
  /** Of the frame, in octets. */
  readonly offset: number;
  /** Of the segment without its frame, in octets. */
  readonly length: number;
}

/** `CMSEGMNT` and the format version, 4 octets. */
const fileHeader = Buffer.from('CMSEGMNT\0\0\0\x01', 'latin1');
/** Each frame: length and CRC-32 of the segment, 4 octets each, little-endian. */
const frameHeaderBytes = 8;
const filePattern = /^(\d{10})\.segment$/;
const openReadersLimit = 64;

/** Where the frame of a segment ends in its file, in octets. */
export function endOf(place: SegmentPlace): number {
  return place.offset + frameHeaderBytes + place.length;
}

export function segmentFileName(file: number): string {
  return `${String(file).padStart(10, '0')}.segment`;
}

/**
 * Packed segments in append-only files. A segment counts once its pointer row is committed, which
 * MUST follow `sync`. A file is written to by one opening of the store only: what lies behind its
 * recorded length was never acknowledged. After a failed fsync nobody knows what the disk holds, so
 * the file is left as it is, and every `sync` fails until the files are opened anew.
 */
export class SegmentFiles {
  readonly #directory: string;
  readonly #disk: StoreDisk;
  readonly #maxBytes: number;
  #lastFile: number;
  #active:
    { readonly file: number; readonly fd: number; end: number; isDirty: boolean } | undefined;
  #failedSync: CertmillError | undefined;
  readonly #readers = new Map<number, number>();

  /**
   * @param recorded The recorded length of each file, in octets.
   * @param allowsDamage Whether files may be missing or cut short: what lies there cannot be read.
   * Then no file is touched, also not what was never recorded.
   */
  constructor(
    directory: string,
    disk: StoreDisk,
    maxBytes: number,
    recorded: ReadonlyMap<number, number>,
    allowsDamage: boolean,
  ) {
    this.#directory = directory;
    this.#disk = disk;
    this.#maxBytes = maxBytes;
    mkdirSync(directory, { recursive: true });
    this.#lastFile = Math.max(0, ...recorded.keys());
    if (allowsDamage) return;
    this.#dropUnrecorded(recorded);
    this.#assertWhole(recorded);
  }

  /** The end of what was written, to give to `cutBackTo`. */
  mark(): { readonly file: number; readonly end: number } {
    return { file: this.#active?.file ?? 0, end: this.#active?.end ?? 0 };
  }

  /** The frames written since the mark will be overwritten. */
  cutBackTo(mark: { readonly file: number; readonly end: number }): void {
    const active = this.#active;
    if (active === undefined) return;
    active.end = active.file === mark.file ? mark.end : fileHeader.length;
  }

  /** Appends a segment; it is durable after `sync`. Faults: FAULT_DISK_FULL, FAULT_STORE_DOWN. */
  append(segment: Uint8Array): SegmentPlace {
    if (this.#failedSync !== undefined) throw this.#failedSync;
    try {
      const bytes = frameHeaderBytes + segment.length;
      const active = this.#activeFor(bytes);
      const header = Buffer.allocUnsafe(frameHeaderBytes);
      header.writeUInt32LE(segment.length, 0);
      header.writeUInt32LE(crc32(segment), 4);
      active.isDirty = true;
      this.#writeAll(active.fd, [header, segment], active.end);
      const place = { file: active.file, offset: active.end, length: segment.length };
      active.end += bytes;
      return place;
    } catch (error) {
      throw storeFault(error, 'write a segment');
    }
  }

  /** Makes what was appended durable. After a failure it fails always: the transaction must. */
  sync(): void {
    if (this.#failedSync !== undefined) throw this.#failedSync;
    const active = this.#active;
    if (active?.isDirty !== true) return;
    this.#makeDurable(() => {
      this.#disk.fdatasync(active.fd);
    });
    active.isDirty = false;
  }

  /** Nothing more is appended to the file in use. */
  seal(): void {
    const active = this.#active;
    this.#active = undefined;
    if (active !== undefined) this.#disk.close(active.fd);
  }

  /** A copy of the segment. Faults: FAULT_STORE_CORRUPT, FAULT_STORE_DOWN. */
  read(place: SegmentPlace): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(frameHeaderBytes + place.length);
    try {
      const fd = this.#readerOf(place.file);
      for (let done = 0; done < bytes.length;) {
        const read = readSync(fd, bytes, done, bytes.length - done, place.offset + done);
        if (read === 0) throw damaged(place);
        done += read;
      }
    } catch (error) {
      if (!existsSync(join(this.#directory, segmentFileName(place.file)))) throw missing(place);
      throw storeFault(error, `read segment file ${String(place.file)}`);
    }
    const frame = new DataView(bytes.buffer);
    const segment = bytes.subarray(frameHeaderBytes);
    if (frame.getUint32(0, true) !== place.length || frame.getUint32(4, true) !== crc32(segment)) {
      throw damaged(place);
    }
    return segment;
  }

  close(): void {
    this.seal();
    for (const fd of this.#readers.values()) closeSync(fd);
    this.#readers.clear();
  }

  #activeFor(bytes: number) {
    if (this.#active !== undefined && this.#active.end + bytes > this.#maxBytes) {
      // Only what is durable may be left behind: nobody syncs a file that is not in use.
      this.sync();
      this.seal();
    }
    if (this.#active !== undefined) return this.#active;
    this.#lastFile += 1;
    const file = this.#lastFile;
    const fd = this.#disk.create(join(this.#directory, segmentFileName(file)));
    try {
      this.#writeAll(fd, [fileHeader], 0);
      this.#makeDurable(() => {
        this.#disk.syncDirectory(this.#directory);
      });
    } catch (error) {
      this.#disk.close(fd);
      throw error;
    }
    this.#active = { file, fd, end: fileHeader.length, isDirty: true };
    return this.#active;
  }

  #makeDurable(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.seal();
      this.#failedSync = storeFault(error, 'make segments durable');
      throw this.#failedSync;
    }
  }

  #writeAll(fd: number, buffers: readonly Uint8Array[], position: number): void {
    let left = buffers;
    let at = position;
    for (;;) {
      let written = this.#disk.write(fd, left, at);
      at += written;
      const rest: Uint8Array[] = [];
      for (const buffer of left) {
        if (written < buffer.length) rest.push(buffer.subarray(written));
        written = Math.max(0, written - buffer.length);
      }
      if (rest.length === 0) return;
      left = rest;
    }
  }

  #readerOf(file: number): number {
    const open = this.#readers.get(file);
    if (open !== undefined) return open;
    const oldest = this.#readers.entries().next().value;
    if (this.#readers.size >= openReadersLimit && oldest !== undefined) {
      this.#readers.delete(oldest[0]);
      closeSync(oldest[1]);
    }
    const fd = openSync(join(this.#directory, segmentFileName(file)), 'r');
    this.#readers.set(file, fd);
    return fd;
  }

  #dropUnrecorded(recorded: ReadonlyMap<number, number>): void {
    for (const name of readdirSync(this.#directory)) {
      const digits = filePattern.exec(name)?.[1];
      if (digits === undefined) continue;
      const path = join(this.#directory, name);
      const length = recorded.get(Number.parseInt(digits, 10));
      if (length === undefined) unlinkSync(path);
      else if (statSync(path).size > length) truncateSync(path, length);
    }
  }

  #assertWhole(recorded: ReadonlyMap<number, number>): void {
    for (const [file, length] of recorded) {
      const path = join(this.#directory, segmentFileName(file));
      if (!existsSync(path) || statSync(path).size < length) {
        throw new CertmillError('FAULT_STORE_CORRUPT', `${path} is missing or cut short`);
      }
    }
  }
}

function missing({ file }: SegmentPlace): CertmillError {
  return new CertmillError('FAULT_STORE_CORRUPT', `segment file ${String(file)} is missing`);
}

function damaged(place: SegmentPlace): CertmillError {
  return new CertmillError(
    'FAULT_STORE_CORRUPT',
    `segment file ${String(place.file)} is damaged at octet ${String(place.offset)}`,
  );
}
