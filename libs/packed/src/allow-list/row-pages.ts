import { CertmillError } from '@certmill/domain';
import type { PageCache, PagedFile } from '../packed-runs/page-cache.js';
import { firstRowWord, locationsPerPage, rowAlignment, rowsAt } from './allow-list-format.js';
import { locateRow, type RowPlace } from './row-codec.js';

/** The rows of a list, read by page. */
export class RowPages implements PagedFile {
  readonly owner: number;
  readonly firstPageAt = rowsAt;
  readonly fd: number;
  readonly path: string;
  /** The pages in the cache; `rowAt` says where a row starts. */
  readonly bytes: Buffer;
  readonly #cache: PageCache;
  readonly #pages: number;

  constructor(fd: number, path: string, pages: number, cache: PageCache) {
    this.fd = fd;
    this.path = path;
    this.#pages = pages;
    this.#cache = cache;
    this.owner = cache.newOwner();
    this.bytes = Buffer.from(cache.bytes.buffer);
  }

  /**
   * The octet of `bytes` where the row at a location starts, valid until the next call.
   * Faults: FAULT_STORE_CORRUPT, FAULT_STORE_DOWN.
   */
  rowAt(location: number): number {
    const page = Math.floor(location / locationsPerPage);
    if (page >= this.#pages) {
      throw new CertmillError('FAULT_STORE_CORRUPT', `${this.path} points past its last row`);
    }
    const start = this.#cache.pageAt(this, page) * 4;
    return start + (location - page * locationsPerPage) * rowAlignment;
  }

  /** The number of the row at a location, counted from 1. */
  rowNumberAt(location: number): number {
    const row = this.rowAt(location);
    const start = row - (location % locationsPerPage) * rowAlignment;
    let number = (this.#cache.words[start / 4 + firstRowWord] as number) + 1;
    const place: RowPlace = { deviceIdAt: -1, deviceIdEnd: -1, udidAt: -1, end: -1 };
    for (let at = start; at < row; number += 1) {
      locateRow(this.bytes, at, place);
      at = start + alignedUp(place.end - start);
    }
    return number;
  }
}

/** The next offset at which a row may start. */
export function alignedUp(offset: number): number {
  return Math.ceil(offset / rowAlignment) * rowAlignment;
}
