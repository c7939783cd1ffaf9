import { randomBytes } from 'node:crypto';
import { open, rename, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { CertmillError } from '@certmill/domain';
import type { AllowListRow } from '@certmill/ports';
import { diskFault } from '../packed-runs/disk-fault.js';
import { PageCache } from '../packed-runs/page-cache.js';
import { pageBytes, pageWords, sealPage } from '../packed-runs/page.js';
import { syncDirectory } from '../packed-runs/whole-io.js';
import {
  deviceIndexAt,
  encodeAllowListHeader,
  firstRowWord,
  locationsPerPage,
  maxPages,
  rowAlignment,
  rowBytesPerPage,
  rowsAt,
  udidIndexAt,
} from './allow-list-format.js';
import { refuseDuplicates } from './duplicates.js';
import { HalfSipHash } from './half-sip-hash.js';
import { IdIndexBuilder } from './id-index-builder.js';
import type { IdIndex } from './id-index.js';
import { encodeRow, maxRowBytes, udidBytes, type RowPlace } from './row-codec.js';
import { alignedUp, RowPages } from './row-pages.js';

/** What an unfinished import leaves behind ends so; it may be removed at start. */
export const partialSuffix = '.partial';

/** Some 800 rows: the thread is free again after 2 to 3 ms. */
const pagesPerWrite = 16;
const indexBytesPerWrite = 4 * 1024 * 1024;
const duplicateCheckCacheBytes = 1024 * 1024;
/** Some 540 MB at the peak where each has both ids. */
export const defaultMaxDevices = 20_000_000;

/**
 * Packs rows into a new list file: all or nothing. Memory is 10 octets per id while rows come, 17
 * while the indexes are made (5 M devices with both ids: 180 MB at the peak). The thread is never
 * held for longer than some milliseconds.
 * @returns The number of devices.
 * Faults: INVALID_INPUT for a bad row, or an id that an earlier row has, naming row and value;
 * LIMIT_EXCEEDED over `maxDevices` or 16 GiB of rows; FAULT_DISK_FULL; FAULT_STORE_DOWN. What `rows` throws passes.
 */
export async function buildAllowList(
  file: string,
  rows: AsyncIterable<AllowListRow>,
  maxDevices: number = defaultMaxDevices,
): Promise<number> {
  const partial = file + partialSuffix;
  const onDisk = <T>(step: Promise<T>): Promise<T> =>
    step.catch((error: unknown) => {
      throw diskFault(error, `write allow-list ${file}`);
    });
  const handle = await onDisk(open(partial, 'w+'));
  try {
    const devices = await pack(handle, partial, rows, maxDevices, onDisk);
    await onDisk(handle.sync());
    await handle.close();
    await onDisk(rename(partial, file));
    syncDirectory(dirname(file));
    return devices;
  } catch (error) {
    await handle.close().catch(() => undefined);
    await unlink(partial).catch(() => undefined);
    throw error;
  }
}

async function pack(
  handle: FileHandle,
  path: string,
  rows: AsyncIterable<AllowListRow>,
  maxDevices: number,
  onDisk: <T>(step: Promise<T>) => Promise<T>,
): Promise<number> {
  const randomSalt = randomBytes(8);
  const salt = [randomSalt.readInt32LE(0), randomSalt.readInt32LE(4)] as const;
  const hash = new HalfSipHash(salt);
  const deviceKeys = new IdIndexBuilder();
  const udidKeys = new IdIndexBuilder();
  const output = new RowOutput((bytes, position) => onDisk(writeAll(handle, bytes, position)));
  const scratch = Buffer.alloc(maxRowBytes);
  const place: RowPlace = { deviceIdAt: -1, deviceIdEnd: -1, udidAt: -1, end: -1 };
  for await (const row of rows) {
    if (output.rows === maxDevices) {
      throw new CertmillError(
        'LIMIT_EXCEEDED',
        `an allow-list holds up to ${maxDevices.toLocaleString('en')} devices: open a further order for the others`,
      );
    }
    encodeRow(row, scratch, output.rows + 1, place);
    if (!output.hasRoomFor(place.end)) await output.nextPage();
    const location = output.append(scratch, place.end);
    if (place.deviceIdAt >= 0) {
      hash.digest(scratch, place.deviceIdAt, place.deviceIdEnd);
      deviceKeys.add(hash, location);
    }
    if (place.udidAt >= 0) {
      hash.digest(scratch, place.udidAt, place.udidAt + udidBytes);
      udidKeys.add(hash, location);
    }
  }
  const pages = await output.finish();

  const rowPages = new RowPages(handle.fd, path, pages, new PageCache(duplicateCheckCacheBytes));
  const pause = (): Promise<void> => setImmediate();
  const store = async (index: IdIndex, keys: number, position: number) => {
    let crc = 0;
    for (let at = 0; at < index.bytes.length; at += indexBytesPerWrite) {
      const piece = index.bytes.subarray(at, at + indexBytesPerWrite);
      crc = crc32(piece, crc);
      await onDisk(writeAll(handle, piece, position + at));
    }
    return { keys, bucketBits: index.bucketBits, crc: crc | 0 };
  };
  // One index after the other, so that only one pair of copies is in memory.
  const makeIndex = async (
    builder: IdIndexBuilder,
    kind: 'device id' | 'UDID',
    position: number,
  ) => {
    const { keys } = builder;
    const index = await builder.finish(pause);
    await refuseDuplicates(index, rowPages, kind, pause);
    const stored = await store(index, keys, position);
    index.release();
    return stored;
  };
  const byDeviceId = await makeIndex(deviceKeys, 'device id', deviceIndexAt({ pages }));
  const byUdid = await makeIndex(udidKeys, 'UDID', udidIndexAt({ pages, byDeviceId }));
  const header = { devices: output.rows, pages, salt, byDeviceId, byUdid };
  await onDisk(writeAll(handle, encodeAllowListHeader(header), 0));
  return output.rows;
}

/** Lays rows into pages and writes those in groups. */
class RowOutput {
  rows = 0;
  readonly #words = new Int32Array(pagesPerWrite * pageWords);
  readonly #bytes = new Uint8Array(this.#words.buffer);
  readonly #write: (bytes: Uint8Array, position: number) => Promise<void>;
  #page = 0;
  #inPage = 0;
  #firstBuffered = 0;

  constructor(write: (bytes: Uint8Array, position: number) => Promise<void>) {
    this.#write = write;
  }

  hasRoomFor(rowBytes: number): boolean {
    return this.#inPage + rowBytes <= rowBytesPerPage;
  }

  /** Copies a row of `length` octets into the page; returns its location. */
  append(row: Uint8Array, length: number): number {
    const bufferedPage = this.#page - this.#firstBuffered;
    if (this.#inPage === 0) this.#words[bufferedPage * pageWords + firstRowWord] = this.rows;
    const at = bufferedPage * pageBytes + this.#inPage;
    for (let i = 0; i < length; i += 1) this.#bytes[at + i] = row[i] as number;
    const location = this.#page * locationsPerPage + this.#inPage / rowAlignment;
    this.#inPage = alignedUp(this.#inPage + length);
    this.rows += 1;
    return location;
  }

  async nextPage(): Promise<void> {
    const bufferedPage = this.#page - this.#firstBuffered;
    sealPage(this.#words, this.#bytes, bufferedPage * pageWords, this.#page);
    this.#page += 1;
    this.#inPage = 0;
    if (this.#page === maxPages) {
      throw new CertmillError('LIMIT_EXCEEDED', 'the rows of an allow-list are limited to 16 GiB');
    }
    if (this.#page - this.#firstBuffered === pagesPerWrite) await this.#flush();
  }

  /** Writes what is left; returns the number of pages. */
  async finish(): Promise<number> {
    if (this.#inPage > 0) await this.nextPage();
    await this.#flush();
    return this.#page;
  }

  async #flush(): Promise<void> {
    const pages = this.#page - this.#firstBuffered;
    await this.#write(
      this.#bytes.subarray(0, pages * pageBytes),
      rowsAt + this.#firstBuffered * pageBytes,
    );
    this.#firstBuffered = this.#page;
    this.#words.fill(0);
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
