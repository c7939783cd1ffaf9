import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { diskFault, OpenAllowLists, PageCache, type AllowList } from '@certmill/packed';
import type { AllowListBlobs, FileProof, ListName } from './allow-list-blobs.js';

type Downloads = Pick<AllowListBlobs, 'download'>;

interface LocalList {
  readonly path: string;
  readonly bytes: number;
  /** Whether all pieces were there. */
  readonly ready: Promise<boolean>;
  users: number;
  usedAtMs: number;
}

const maxLists = 256;
const maxBytes = 16 * 1024 ** 3;
/** The index of a list that nobody uses for so long is let go of; its file stays. */
const idleMs = 300_000;
const pageCacheBytes = 16 * 1024 * 1024;

/** Copies of packed lists on this process's disk; those used longest ago go when there are many. */
export class LocalLists {
  readonly #directory: string;
  readonly #blobs: Downloads;
  readonly #open: OpenAllowLists;
  /** By list id, in order of use, the latest last. */
  readonly #lists = new Map<string, LocalList>();

  private constructor(directory: string, blobs: Downloads, maxIndexBytes: number) {
    this.#directory = directory;
    this.#open = new OpenAllowLists(maxIndexBytes, new PageCache(pageCacheBytes));
    this.#blobs = blobs;
  }

  /**
   * @param directory Of this process alone: what it holds is removed.
   * @param maxIndexBytes In memory, of all lists together; one list alone may be over it.
   */
  static async open(
    directory: string,
    blobs: Downloads,
    maxIndexBytes: number,
  ): Promise<LocalLists> {
    try {
      await rm(directory, { recursive: true, force: true });
      await mkdir(directory, { recursive: true });
    } catch (error) {
      throw diskFault(error, 'make the folder of allow-lists');
    }
    return new LocalLists(directory, blobs, maxIndexBytes);
  }

  /** Where a list of this id may be built. */
  pathOf(listId: string): string {
    return join(this.#directory, `${listId}.allowlist`);
  }

  /** What `use` makes of the list; undefined where pieces of it are missing. */
  async with<T>(
    list: ListName,
    proof: FileProof,
    use: (list: AllowList) => T,
  ): Promise<T | undefined> {
    const local = this.#lists.get(list.listId) ?? this.#fetch(list, proof);
    this.#lists.delete(list.listId);
    this.#lists.set(list.listId, local);
    local.users += 1;
    try {
      if (!(await local.ready)) return undefined;
      await this.#open.get(local.path).load();
      // Another list may have closed it in the meantime.
      return use(this.#open.get(local.path));
    } finally {
      local.users -= 1;
      local.usedAtMs = performance.now();
      this.#closeIdle(local.usedAtMs - idleMs);
      await this.#evict();
    }
  }

  close(): void {
    this.#open.closeAll();
  }

  #fetch(list: ListName, proof: FileProof): LocalList {
    const path = this.pathOf(list.listId);
    const ready = this.#blobs.download(list, proof, path);
    const forget = (): void => {
      this.#lists.delete(list.listId);
    };
    ready.then((isWhole) => isWhole || forget(), forget);
    return { path, bytes: proof.bytes, ready, users: 0, usedAtMs: performance.now() };
  }

  #closeIdle(sinceMs: number): void {
    for (const { users, usedAtMs, path } of this.#lists.values()) {
      if (usedAtMs > sinceMs) return;
      if (users === 0) this.#open.close(path);
    }
  }

  async #evict(): Promise<void> {
    let bytes = 0;
    for (const list of this.#lists.values()) bytes += list.bytes;
    for (const [listId, list] of this.#lists) {
      if (this.#lists.size <= maxLists && bytes <= maxBytes) return;
      if (list.users > 0) continue;
      this.#lists.delete(listId);
      bytes -= list.bytes;
      this.#open.close(list.path);
      await rm(list.path, { force: true }).catch(() => undefined);
    }
  }
}
