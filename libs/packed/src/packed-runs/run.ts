import { close, closeSync, openSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { CertmillError } from '@certmill/domain';
import { compareKeys, wordsPerEntry } from './entry.js';
import { diskFault, systemCodeOf } from './disk-fault.js';
import { passesFilter } from './filter.js';
import type { PageCache, PagedFile } from './page-cache.js';
import {
  dataAt,
  entriesPerPage,
  fencesAt,
  filterAt,
  pagesOf,
  readRunHeader,
  type RunHeader,
  type RunKind,
} from './run-format.js';
import { releaseMemory } from './release-memory.js';
import { readWhole } from './whole-io.js';

/** What stays in memory of a run: about 1.25 octets per entry at 10 filter bits. */
export interface RunGuide {
  readonly header: RunHeader;
  readonly filter: Int32Array<ArrayBuffer>;
  /** The first word of each page's first key. */
  readonly fences: Int32Array<ArrayBuffer>;
}

/** A run file, open for look-ups. */
export class Run implements PagedFile {
  readonly owner: number;
  readonly fd: number;
  readonly path: string;
  readonly firstPageAt = dataAt;
  readonly header: RunHeader;
  readonly #filter: Int32Array<ArrayBuffer>;
  readonly #fences: Int32Array<ArrayBuffer>;
  readonly #cache: PageCache;

  constructor(path: string, fd: number, guide: RunGuide, cache: PageCache) {
    this.path = path;
    this.fd = fd;
    this.header = guide.header;
    this.#filter = guide.filter;
    this.#fences = guide.fences;
    this.#cache = cache;
    this.owner = cache.newOwner();
  }

  get filterBytes(): number {
    return this.#filter.byteLength + this.#fences.byteLength;
  }

  /**
   * The position (0 ..) of the newest entry of a key, -1 where there is none.
   * Faults: FAULT_STORE_CORRUPT, FAULT_STORE_DOWN.
   */
  find(w0: number, w1: number, w2: number, w3: number): number {
    if (!passesFilter(this.#filter, w0, w1, w2)) return -1;
    const fences = this.#fences;
    // A page whose fence equals w0 may begin in the middle of the keys that start with w0: begin
    // at the last page that starts before them.
    let page = Math.max(0, this.#fencesBelow(w0) - 1);
    for (; page < fences.length && ((fences[page] as number) <= w0 || page === 0); page += 1) {
      const at = this.#cache.pageAt(this, page);
      const { words } = this.#cache;
      const entries = Math.min(entriesPerPage, this.header.count - page * entriesPerPage);
      let low = 0;
      let high = entries;
      while (low < high) {
        const middle = (low + high) >>> 1;
        const entry = at + middle * wordsPerEntry;
        if (
          (words[entry] as number) < w0 ||
          (words[entry] === w0 &&
            ((words[entry + 1] as number) < w1 ||
              (words[entry + 1] === w1 &&
                ((words[entry + 2] as number) < w2 ||
                  (words[entry + 2] === w2 && (words[entry + 3] as number) < w3)))))
        ) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      if (low < entries) {
        const entry = at + low * wordsPerEntry;
        const found =
          words[entry] === w0 &&
          words[entry + 1] === w1 &&
          words[entry + 2] === w2 &&
          words[entry + 3] === w3;
        return found ? page * entriesPerPage + low : -1;
      }
    }
    return -1;
  }

  /** Where the entry at a position is in the cache's words; valid until the next look-up. */
  wordsAt(position: number): number {
    const page = Math.floor(position / entriesPerPage);
    return this.#cache.pageAt(this, page) + (position - page * entriesPerPage) * wordsPerEntry;
  }

  /** Whether the entry at `position` exists and has the key at word `at` of `key`. */
  hasKeyAt(position: number, key: Int32Array, at: number): boolean {
    return (
      position < this.header.count &&
      compareKeys(this.#cache.words, this.wordsAt(position), key, at) === 0
    );
  }

  /** Nothing may be called after. */
  closeSync(): void {
    this.#releaseGuide();
    closeSync(this.fd);
  }

  /** Off the thread: closing the last use of a removed file frees its blocks, which takes time. */
  close(): Promise<void> {
    this.#releaseGuide();
    return new Promise((resolve) => {
      close(this.fd, () => {
        resolve();
      });
    });
  }

  #releaseGuide(): void {
    releaseMemory(this.#filter);
    releaseMemory(this.#fences);
  }

  /** How many fences are below `w0`. */
  #fencesBelow(w0: number): number {
    const fences = this.#fences;
    let low = 0;
    let high = fences.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((fences[middle] as number) < w0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * Opens a run file and loads what look-ups need of it; reads no entry.
 * Faults: FAULT_STORE_CORRUPT, DATA_FORMAT_UNSUPPORTED, FAULT_STORE_DOWN.
 */
export function openRun(path: string, kind: RunKind, cache: PageCache): Run {
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r');
    const header = readRunHeader(fd, path);
    if (header.kind !== kind) {
      throw new CertmillError('FAULT_STORE_CORRUPT', `${path} is a run of a ${header.kind}`);
    }
    const filter = readWords(fd, filterAt(header), header.filterWords, header.filterCrc, path);
    const fences = readWords(fd, fencesAt(header), pagesOf(header), header.fencesCrc, path);
    return new Run(path, fd, { header, filter, fences }, cache);
  } catch (error) {
    if (fd !== undefined) closeSync(fd);
    if (systemCodeOf(error) === 'ENOENT') {
      throw new CertmillError('FAULT_STORE_CORRUPT', `${path} is missing`, { cause: error });
    }
    throw diskFault(error, `open ${path}`);
  }
}

/** Opens a run file whose guide is at hand because it has just been written. */
export function openWrittenRun(path: string, guide: RunGuide, cache: PageCache): Run {
  try {
    return new Run(path, openSync(path, 'r'), guide, cache);
  } catch (error) {
    throw diskFault(error, `open ${path}`);
  }
}

function readWords(
  fd: number,
  at: number,
  length: number,
  crc: number,
  path: string,
): Int32Array<ArrayBuffer> {
  const words = new Int32Array(length);
  const bytes = new Uint8Array(words.buffer);
  if (!readWhole(fd, bytes, at) || (crc32(bytes) | 0) !== crc) {
    throw new CertmillError('FAULT_STORE_CORRUPT', `${path} is damaged at offset ${String(at)}`);
  }
  return words;
}
