import { join } from 'node:path';
import { holdsStore, viewEmbeddedStore, type EmbeddedStore } from '@certmill/adapter-embedded';
import { CertmillError, type SerialKey } from '@certmill/domain';
import { findIssuers, findSerialKeys, type Issuer } from '@certmill/trust';
import { holdDataFolder, readFolderSecret } from './data-folder.js';

/** The store of a data folder without its pipeline; holds the folder until disposed. */
export interface OpenedStore extends AsyncDisposable {
  readonly store: EmbeddedStore;
  /** As they lie there: whether a chain verifies is for the reader to find. */
  readonly issuers: readonly Issuer[];
  readonly serialKeys: readonly SerialKey[];
  readonly logDirectory: string;
  /** What the folder lacks that its store needs. */
  readonly damages: readonly string[];
}

/**
 * Opens a data folder at rest, or a backup, and changes nothing in it. NOT_FOUND where it holds no
 * store, DATA_FOLDER_IN_USE, FAULT_STORE_CORRUPT, DATA_FORMAT_UNSUPPORTED.
 */
export async function openStoreForReading(directory: string): Promise<OpenedStore> {
  const storeDirectory = join(directory, 'store');
  if (!holdsStore(storeDirectory)) {
    throw new CertmillError(
      'NOT_FOUND',
      `${directory} is no data folder and no backup: it has no store`,
    );
  }
  const folder = holdDataFolder(directory);
  try {
    const statusSecret = readFolderSecret(directory);
    const view = await viewEmbeddedStore({
      ...(statusSecret === undefined ? {} : { statusSecret }),
      directory: storeDirectory,
      clock: { nowMs: () => Date.now() },
    });
    try {
      return {
        store: view.store,
        issuers: await findIssuers(directory),
        serialKeys: (await findSerialKeys(directory))?.all ?? [],
        logDirectory: join(directory, 'log'),
        damages: statusSecret === undefined ? await uncheckedScopes(view.store) : [],
        async [Symbol.asyncDispose]() {
          await view[Symbol.asyncDispose]();
          folder[Symbol.dispose]();
        },
      };
    } catch (error) {
      await view[Symbol.asyncDispose]();
      throw error;
    }
  } catch (error) {
    folder[Symbol.dispose]();
    throw error;
  }
}

/** A scope has a seal from when it is made (ADR 0035), so none is left unchecked without a word. */
async function uncheckedScopes(store: EmbeddedStore): Promise<readonly string[]> {
  const scopes = await store.readOut().scopes();
  if (scopes.length === 0) return [];
  return [
    `hop-secret is missing: whether revocations are those that were recorded cannot be told, of ${String(scopes.length)} CRLs`,
  ];
}
