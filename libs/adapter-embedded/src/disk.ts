import { mkdir, open, readdir, rename, unlink, type FileHandle } from 'node:fs/promises';

/** One open file. Positions and lengths are in octets. */
export interface DiskFile {
  /**
   * Writes all parts back to back at a position. After a rejection the file may hold any part of
   * them. The parts MUST NOT change until then.
   */
  write(parts: readonly Uint8Array[], position: number): Promise<void>;
  /** Fills the target as far as the file goes; resolves to the number of octets read. */
  read(target: Uint8Array, position: number): Promise<number>;
  /**
   * Makes what was written durable. After a rejection the kernel may have dropped dirty pages and
   * MAY report success the next time: nothing written before it counts as durable any more.
   */
  datasync(): Promise<void>;
  truncate(length: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

/** The file system as the embedded adapters use it; injected, so that tests can make it fail. */
export interface Disk {
  /** A new file to read and write; rejects (EEXIST) where there is one. */
  create(path: string): Promise<DiskFile>;
  /** An existing file to read and write. */
  open(path: string): Promise<DiskFile>;
  makeDirectory(path: string): Promise<void>;
  list(path: string): Promise<readonly string[]>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Makes creations, renames and removals in a directory durable. */
  syncDirectory(path: string): Promise<void>;
}

/** The real file system. */
export const nodeDisk: Disk = {
  create: async (path) => new NodeFile(await open(path, 'wx+')),
  open: async (path) => new NodeFile(await open(path, 'r+')),
  async makeDirectory(path) {
    await mkdir(path, { recursive: true });
  },
  list: (path) => readdir(path),
  rename,
  unlink,
  async syncDirectory(path) {
    const directory = await open(path, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },
};

class NodeFile implements DiskFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async write(parts: readonly Uint8Array[], position: number): Promise<void> {
    let rest = [...parts];
    let at = position;
    while (rest.length > 0) {
      const { bytesWritten } = await this.#handle.writev(rest, at);
      at += bytesWritten;
      rest = unwritten(rest, bytesWritten);
    }
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    let total = 0;
    while (total < target.length) {
      const { bytesRead } = await this.#handle.read(
        target,
        total,
        target.length - total,
        position + total,
      );
      if (bytesRead === 0) break;
      total += bytesRead;
    }
    return total;
  }

  datasync(): Promise<void> {
    return this.#handle.datasync();
  }

  truncate(length: number): Promise<void> {
    return this.#handle.truncate(length);
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** What a short write left over: a nearly full disk takes a part and fails only the next write. */
function unwritten(parts: readonly Uint8Array[], written: number): Uint8Array[] {
  let skip = written;
  const rest: Uint8Array[] = [];
  for (const part of parts) {
    if (skip >= part.length) {
      skip -= part.length;
    } else {
      rest.push(part.subarray(skip));
      skip = 0;
    }
  }
  return rest;
}
