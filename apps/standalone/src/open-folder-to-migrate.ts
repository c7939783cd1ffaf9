import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { holdsStore, openEmbeddedStore, type EmbeddedStore } from '@certmill/adapter-embedded';
import { CertmillError, type SerialKey } from '@certmill/domain';
import type { UsedApprovals } from '@certmill/ports';
import { findIssuers, findSerialKeys, type Issuer } from '@certmill/trust';
import { readApprovalFolder } from '@certmill/trust/approvals';
import { backupMark, holdDataFolder, migratedMark } from './data-folder.js';
import { nodeSyncDisk } from './sync-tree.js';

/** A data folder at rest that is to be carried into a fleet; held until disposed. */
export interface FolderToMigrate extends AsyncDisposable {
  readonly store: EmbeddedStore;
  readonly logDirectory: string;
  readonly issuers: readonly Issuer[];
  readonly serialKeys: readonly SerialKey[];
  readonly hopSecret: Uint8Array;
  readonly usedApprovals: readonly UsedApprovals[];
  /** Nothing works in the folder any more; durable when it resolves. Idempotent. */
  retire(): Promise<void>;
}

/**
 * Opens the store as a start of the server does (one of an older format is brought up to date), also
 * of a folder that was carried over before. NOT_FOUND where there is none, DATA_FOLDER_IN_USE,
 * CONFLICT where it is a backup: each opening of it would be another store.
 */
export async function openFolderToMigrate(directory: string): Promise<FolderToMigrate> {
  const storeDirectory = join(directory, 'store');
  if (!holdsStore(storeDirectory)) {
    throw new CertmillError('NOT_FOUND', `${directory} is no data folder: it has no store`);
  }
  if (existsSync(join(directory, backupMark))) {
    throw new CertmillError(
      'CONFLICT',
      `${directory} is a backup: restore it into a folder of its own with 'certmill restore ${directory} --data DIR'`,
    );
  }
  const lock = holdDataFolder(directory);
  try {
    const clock = { nowMs: () => Date.now() };
    const hopSecret = await readFile(join(directory, 'hop-secret'));
    const store = await openEmbeddedStore({
      directory: storeDirectory,
      clock,
      statusSecret: hopSecret,
    });
    try {
      return {
        store,
        logDirectory: join(directory, 'log'),
        issuers: await findIssuers(directory),
        serialKeys: (await findSerialKeys(directory))?.all ?? [],
        hopSecret,
        usedApprovals: await readApprovalFolder(directory),
        retire: () => retire(directory, clock.nowMs()),
        async [Symbol.asyncDispose]() {
          await store.close();
          lock[Symbol.dispose]();
        },
      };
    } catch (error) {
      await store.close();
      throw error;
    }
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

async function retire(directory: string, nowMs: number): Promise<void> {
  const mark = join(directory, migratedMark);
  if (!existsSync(mark)) {
    const text = JSON.stringify({ formatVersion: 1, migratedAt: new Date(nowMs).toISOString() });
    await writeFile(mark, `${text}\n`);
  }
  await nodeSyncDisk.syncFile(mark);
  await nodeSyncDisk.syncDirectory(directory);
}
