import { closeSync, fdatasyncSync, fsyncSync, openSync, writevSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';

/**
 * The steps of the store that make something durable, so that a test can have any of them fail. An
 * implementation runs in the store thread and MUST be synchronous.
 */
export interface StoreDisk {
  /** Called with each connection that the store opens, before it is used. */
  prepareDatabase?(db: DatabaseSync): void;
  /** Creates a file; it MUST NOT be there yet. Returns its descriptor. */
  create(path: string): number;
  /** Makes the entry of a new file in its directory durable. */
  syncDirectory(directory: string): void;
  /** Writes at `position`; returns the octets written, fewer than asked where the disk says so. */
  write(fd: number, bytes: readonly Uint8Array[], position: number): number;
  fdatasync(fd: number): void;
  close(fd: number): void;
  /**
   * Runs `commit`, the COMMIT of a transaction.
   * @param operations What the transaction did, e.g. `['decide', 'publish']`.
   */
  commit(operations: readonly string[], commit: () => void): void;
}

export const nodeStoreDisk: StoreDisk = {
  create: (path) => openSync(path, 'wx+'),
  syncDirectory(directory) {
    const fd = openSync(directory, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  },
  write: (fd, bytes, position) => writevSync(fd, bytes, position),
  fdatasync: fdatasyncSync,
  close: closeSync,
  commit: (_operations, commit) => {
    commit();
  },
};
