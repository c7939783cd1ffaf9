import { openEmbeddedStore, type EmbeddedStore } from '@certmill/adapter-embedded';
import type { SerialKey } from '@certmill/domain';
import { loadIssuers, openSerialKeys, type Issuer } from '@certmill/trust';
import { takeDataFolder } from './data-folder.js';

/** The store of a data folder without its pipeline; holds the folder until disposed. */
export interface OpenedStore extends AsyncDisposable {
  readonly store: EmbeddedStore;
  readonly issuers: readonly Issuer[];
  readonly serialKeys: readonly SerialKey[];
  readonly logDirectory: string;
}

export async function openStoreForReading(directory: string): Promise<OpenedStore> {
  const folder = takeDataFolder(directory);
  try {
    const store = await openEmbeddedStore({
      directory: folder.store,
      clock: { nowMs: () => Date.now() },
      allowsDamage: true,
    });
    return {
      store,
      issuers: await loadIssuers(directory),
      serialKeys: (await openSerialKeys(directory)).all,
      logDirectory: folder.log,
      async [Symbol.asyncDispose]() {
        await store.close();
        folder.release();
      },
    };
  } catch (error) {
    folder.release();
    throw error;
  }
}
