import { closeSync, fdatasyncSync, fsyncSync, openSync, writevSync } from 'node:fs';
import { nodeDisk, type Disk, type DiskFile, type StoreDisk } from '@certmill/adapter-embedded';
import type { IssuanceOverrides } from '@certmill/standalone';

/** Disks whose every fsync takes this much longer: on some test machines it is nearly free. */
export function slowDisks(fsyncMs: number): IssuanceOverrides {
  if (fsyncMs === 0) return {};
  const url = new URL(import.meta.url);
  url.searchParams.set('fsyncMs', String(fsyncMs));
  return { storeDiskModule: url.href, logDisk: slowLogDisk(fsyncMs) };
}

function slowLogDisk(fsyncMs: number): Disk {
  const slow = (file: DiskFile): DiskFile => ({
    write: (parts, position) => file.write(parts, position),
    read: (target, position) => file.read(target, position),
    async datasync() {
      await file.datasync();
      await new Promise((resolve) => setTimeout(resolve, fsyncMs));
    },
    truncate: (length) => file.truncate(length),
    size: () => file.size(),
    close: () => file.close(),
  });
  return {
    ...nodeDisk,
    create: async (path) => slow(await nodeDisk.create(path)),
    open: async (path) => slow(await nodeDisk.open(path)),
  };
}

const ownFsyncMs = Number(new URL(import.meta.url).searchParams.get('fsyncMs') ?? 0);
const never = new Int32Array(new SharedArrayBuffer(4));

function sleep(): void {
  Atomics.wait(never, 0, 0, ownFsyncMs);
}

/** For the store thread, which loads this module by its URL. */
export const storeDisk: StoreDisk = {
  create: (path) => openSync(path, 'wx+'),
  syncDirectory(directory) {
    const descriptor = openSync(directory, 'r');
    fsyncSync(descriptor);
    closeSync(descriptor);
    sleep();
  },
  write: (descriptor, bytes, position) => writevSync(descriptor, bytes, position),
  fdatasync(descriptor) {
    fdatasyncSync(descriptor);
    sleep();
  },
  close: closeSync,
  commit(_operations, commit) {
    commit();
    sleep();
  },
};
