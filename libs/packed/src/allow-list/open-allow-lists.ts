import type { PageCache } from '../packed-runs/page-cache.js';
import { openAllowList, type AllowList } from './allow-list.js';

/** The lists in use, by file: those used longest ago are closed when memory is short. */
export class OpenAllowLists {
  readonly #maxIndexBytes: number;
  readonly #cache: PageCache;
  /** In order of use, the latest last. */
  readonly #lists = new Map<string, AllowList>();
  #indexBytes = 0;

  /** @param maxIndexBytes For all indexes together; one list alone may be over it. */
  constructor(maxIndexBytes: number, cache: PageCache) {
    this.#maxIndexBytes = maxIndexBytes;
    this.#cache = cache;
  }

  /**
   * The list of a file, opened if need be. Use it at once: a later call may close it.
   * Faults as `openAllowList`.
   */
  get(file: string): AllowList {
    const known = this.#lists.get(file);
    const list = known ?? openAllowList(file, this.#cache);
    this.#lists.delete(file);
    this.#lists.set(file, list);
    if (known === undefined) {
      this.#indexBytes += list.indexBytes;
      for (const oldest of this.#lists.keys()) {
        if (this.#indexBytes <= this.#maxIndexBytes || oldest === file) break;
        this.close(oldest);
      }
    }
    return list;
  }

  /** Closes one list, as before its file is removed. */
  close(file: string): void {
    const list = this.#lists.get(file);
    if (list === undefined) return;
    this.#lists.delete(file);
    this.#indexBytes -= list.indexBytes;
    list.close();
  }

  closeAll(): void {
    for (const file of [...this.#lists.keys()]) this.close(file);
  }
}
