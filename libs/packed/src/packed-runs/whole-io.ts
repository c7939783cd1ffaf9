import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';

/** Writes all of `bytes` at `position`: a single write may do less. Throws what node:fs throws. */
export function writeWhole(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) {
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
  }
}

/** Fills `bytes` from `position`; false where the file ends before. Throws what node:fs throws. */
export function readWhole(fd: number, bytes: Uint8Array, position: number): boolean {
  for (let done = 0; done < bytes.length;) {
    const got = readSync(fd, bytes, done, bytes.length - done, position + done);
    if (got === 0) return false;
    done += got;
  }
  return true;
}

/** Makes the names in a directory durable: a file's own fsync does not. */
export function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
