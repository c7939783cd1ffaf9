import { closeSync, fstatSync, openSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { CertmillError, maxDeviceIdBytes } from '@certmill/domain';
import type { AllowListRow } from '@certmill/ports';
import { diskFault, systemCodeOf } from '../packed-runs/disk-fault.js';
import { PageCache } from '../packed-runs/page-cache.js';
import { pageBytes } from '../packed-runs/page.js';
import { readWhole } from '../packed-runs/whole-io.js';
import {
  decodeAllowListHeader,
  deviceIndexAt,
  udidIndexAt,
  type AllowListHeader,
  type StoredIndex,
} from './allow-list-format.js';
import { HalfSipHash } from './half-sip-hash.js';
import { IdIndex, indexBytes } from './id-index.js';
import { decodeRow, locateRow, udidBytes, type RowPlace } from './row-codec.js';
import { RowPages } from './row-pages.js';

const defaultCacheBytes = 1024 * 1024;
const bytesPerTurn = 4 * 1024 * 1024;

interface Indexes {
  readonly byDeviceId: IdIndex;
  readonly byUdid: IdIndex;
}

/** A packed list, open for synchronous look-ups. Its index is loaded by the first of them. */
export class AllowList {
  readonly devices: number;
  /** Memory that the index takes once it is loaded, in octets: at most 14 per device. */
  readonly indexBytes: number;
  readonly #path: string;
  readonly #fd: number;
  readonly #header: AllowListHeader;
  readonly #rows: RowPages;
  readonly #hash: HalfSipHash;
  readonly #idBytes = Buffer.alloc(maxDeviceIdBytes);
  readonly #place: RowPlace = { deviceIdAt: -1, deviceIdEnd: -1, udidAt: -1, end: -1 };
  #indexes: Indexes | undefined;
  #isClosed = false;

  constructor(path: string, fd: number, header: AllowListHeader, cache: PageCache) {
    this.#path = path;
    this.#fd = fd;
    this.#header = header;
    this.devices = header.devices;
    this.indexBytes = indexBytes(header.byDeviceId) + indexBytes(header.byUdid);
    this.#rows = new RowPages(fd, path, header.pages, cache);
    this.#hash = new HalfSipHash(header.salt);
  }

  /**
   * Loads the index in small steps, so that the thread is free between them; without this call the
   * first look-up loads it at one go (some 10 ms per million devices). Faults as `lookUp`.
   */
  async load(): Promise<void> {
    const steps = this.#loadSteps();
    // A closed file's number may be another file's by the time the next step runs.
    while (!this.#isClosed && steps.next().done !== true) await setImmediate();
  }

  /**
   * The row of a device: by device id where the list has it, else by UDID.
   * @param udid 32 octets.
   * Faults: FAULT_STORE_CORRUPT, FAULT_STORE_DOWN.
   */
  lookUp(deviceId: string | undefined, udid: Uint8Array): AllowListRow | undefined {
    const indexes = (this.#indexes ??= this.#loadNow());
    return (
      (deviceId === undefined ? undefined : this.#findDeviceId(indexes.byDeviceId, deviceId)) ??
      this.#findUdid(indexes.byUdid, udid)
    );
  }

  /** Frees the index and the file. Nothing may be called after. */
  close(): void {
    this.#isClosed = true;
    this.#indexes?.byDeviceId.release();
    this.#indexes?.byUdid.release();
    this.#indexes = undefined;
    closeSync(this.#fd);
  }

  #findDeviceId(index: IdIndex, deviceId: string): AllowListRow | undefined {
    // A longer id is on no list; what is not Unicode would turn into another id as UTF-8.
    if (Buffer.byteLength(deviceId) > maxDeviceIdBytes || !deviceId.isWellFormed()) {
      return undefined;
    }
    const wanted = this.#idBytes;
    const length = wanted.write(deviceId);
    this.#hash.digest(wanted, 0, length);
    return this.#rowAt(
      index.find(this.#hash, (location) => {
        const place = this.#locate(location);
        return (
          place.deviceIdAt >= 0 &&
          place.deviceIdEnd - place.deviceIdAt === length &&
          this.#rows.bytes.compare(wanted, 0, length, place.deviceIdAt, place.deviceIdEnd) === 0
        );
      }),
    );
  }

  #findUdid(index: IdIndex, udid: Uint8Array): AllowListRow | undefined {
    if (udid.length !== udidBytes) return undefined;
    this.#hash.digest(udid, 0, udidBytes);
    return this.#rowAt(
      index.find(this.#hash, (location) => {
        const { udidAt } = this.#locate(location);
        return (
          udidAt >= 0 &&
          this.#rows.bytes.compare(udid, 0, udidBytes, udidAt, udidAt + udidBytes) === 0
        );
      }),
    );
  }

  #locate(location: number): RowPlace {
    locateRow(this.#rows.bytes, this.#rows.rowAt(location), this.#place);
    return this.#place;
  }

  #rowAt(location: number): AllowListRow | undefined {
    return location < 0 ? undefined : decodeRow(this.#rows.bytes, this.#rows.rowAt(location));
  }

  #loadNow(): Indexes {
    const steps = this.#loadSteps();
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  }

  *#loadSteps(): Generator<undefined, Indexes> {
    if (this.#indexes !== undefined) return this.#indexes;
    const { byDeviceId, byUdid } = this.#header;
    const loaded = {
      byDeviceId: yield* this.#readIndex(byDeviceId, deviceIndexAt(this.#header)),
      byUdid: yield* this.#readIndex(byUdid, udidIndexAt(this.#header)),
    };
    this.#indexes = loaded;
    return loaded;
  }

  *#readIndex(stored: StoredIndex, position: number): Generator<undefined, IdIndex> {
    const index = new IdIndex(stored);
    let crc = 0;
    for (let at = 0; at < index.bytes.length; at += bytesPerTurn) {
      const piece = index.bytes.subarray(at, at + bytesPerTurn);
      let whole: boolean;
      try {
        whole = readWhole(this.#fd, piece, position + at);
      } catch (error) {
        throw diskFault(error, `read ${this.#path}`);
      }
      if (!whole) break;
      crc = crc32(piece, crc);
      yield;
    }
    if ((crc | 0) !== stored.crc) {
      throw new CertmillError('FAULT_STORE_CORRUPT', `the index of ${this.#path} is damaged`);
    }
    return index;
  }
}

/**
 * Opens a packed list; reads only its header.
 * @param cache For row pages; may be shared with all of a thread. Default 1 MiB of its own.
 * Faults: FAULT_STORE_CORRUPT (also: no such file), DATA_FORMAT_UNSUPPORTED, FAULT_STORE_DOWN.
 */
export function openAllowList(
  file: string,
  cache: PageCache = new PageCache(defaultCacheBytes),
): AllowList {
  let fd: number | undefined;
  try {
    fd = openSync(file, 'r');
    const page = new Uint8Array(pageBytes);
    if (!readWhole(fd, page, 0)) {
      throw new CertmillError('FAULT_STORE_CORRUPT', `${file} is cut short`);
    }
    const header = decodeAllowListHeader(page, fstatSync(fd).size, file);
    return new AllowList(file, fd, header, cache);
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    if (systemCodeOf(error) === 'ENOENT') {
      throw new CertmillError(
        'FAULT_STORE_CORRUPT',
        `the allow-list ${file} is missing: import it again`,
        { cause: error },
      );
    }
    throw diskFault(error, `open allow-list ${file}`);
  }
}
