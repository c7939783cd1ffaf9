import { open, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** What makes copies durable; injected, so that tests can make it fail. */
export interface SyncDisk {
  syncFile(path: string): Promise<void>;
  /** Makes the names in a directory durable. */
  syncDirectory(path: string): Promise<void>;
}

export const nodeSyncDisk: SyncDisk = { syncFile: sync, syncDirectory: sync };

/** Makes a folder durable with all that is in it, and its own name in the folder above. */
export async function syncTree(directory: string, disk: SyncDisk): Promise<void> {
  await syncBelow(directory, disk);
  await disk.syncDirectory(dirname(directory));
}

async function syncBelow(directory: string, disk: SyncDisk): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await syncBelow(path, disk);
    else if (entry.isFile()) await disk.syncFile(path);
  }
  await disk.syncDirectory(directory);
}

async function sync(path: string): Promise<void> {
  await using file = await open(path, 'r');
  await file.sync();
}
