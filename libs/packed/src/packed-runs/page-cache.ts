import { CertmillError } from '@certmill/domain';
import { diskFault } from './disk-fault.js';
import { isPageIntact, pageBytes, pageWords } from './page.js';
import { readWhole } from './whole-io.js';

/** A file whose pages the cache may hold. */
export interface PagedFile {
  /** From `PageCache.newOwner`, never used for another file. */
  readonly owner: number;
  readonly fd: number;
  /** For messages only. */
  readonly path: string;
  /** The file offset of page 0, in octets. */
  readonly firstPageAt: number;
}

/**
 * A bounded cache of pages, direct-mapped: a page has one place it can be in, so a hit costs two
 * comparisons and nothing is allocated, moved or evicted by list. Neighbouring pages have
 * neighbouring places: a sequential reader never pushes out what it just read.
 */
export class PageCache {
  /** The pages; `pageAt` says where one starts. Valid until the next `pageAt`. Read only. */
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly #mask: number;
  readonly #owners: Int32Array;
  readonly #pages: Int32Array;
  #lastOwner = 0;

  /** @param maxBytes Rounded down to a power of two, at least one page. */
  constructor(maxBytes: number) {
    const places = 1 << Math.max(0, Math.floor(Math.log2(maxBytes / pageBytes)));
    const memory = new ArrayBuffer(places * pageBytes);
    this.words = new Int32Array(memory);
    this.bytes = new Uint8Array(memory);
    this.#mask = places - 1;
    this.#owners = new Int32Array(places);
    this.#pages = new Int32Array(places);
  }

  newOwner(): number {
    this.#lastOwner += 1;
    return this.#lastOwner;
  }

  /**
   * The place of a page in `words` (in words, not octets), read from disk where it is not there.
   * Faults: FAULT_STORE_CORRUPT where the page is cut short or damaged, FAULT_STORE_DOWN.
   */
  pageAt(file: PagedFile, page: number): number {
    const place = (Math.imul(file.owner, 0x9e3779b1) + page) & this.#mask;
    if (this.#owners[place] !== file.owner || this.#pages[place] !== page) {
      this.#read(file, page, place);
    }
    return place * pageWords;
  }

  #read(file: PagedFile, page: number, place: number): void {
    this.#owners[place] = 0;
    const at = place * pageBytes;
    let whole: boolean;
    try {
      const target = this.bytes.subarray(at, at + pageBytes);
      whole = readWhole(file.fd, target, file.firstPageAt + page * pageBytes);
    } catch (error) {
      throw diskFault(error, `read page ${String(page)} of ${file.path}`);
    }
    if (!whole || !isPageIntact(this.words, this.bytes, at / 4, page)) {
      throw new CertmillError(
        'FAULT_STORE_CORRUPT',
        `page ${String(page)} of ${file.path} is damaged`,
      );
    }
    this.#owners[place] = file.owner;
    this.#pages[place] = page;
  }
}
