import { copyFileSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { CertmillError, isCertmillError } from '@certmill/domain';
import {
  openEmbeddedStore,
  type EmbeddedStore,
  type EmbeddedStoreOptions,
} from './embedded-store.js';
import { storeFault } from './store-fault.js';
import { storeFiles } from './store-files.js';

/** A store that is looked at; what is written to it is gone when it is disposed. */
export interface StoreView extends AsyncDisposable {
  readonly store: EmbeddedStore;
}

/** Whether a folder holds a store, or a backup of one. */
export function holdsStore(directory: string): boolean {
  return existsSync(storeFiles(directory).database);
}

/** What SQLite keeps beside a database that was not closed. */
const databaseSuffixes = ['', '-wal', '-journal'];

/**
 * Opens a store, or a backup of one, and changes no octet of it: the database, small beside the rest,
 * is copied into a folder for temporary files, and everything else is linked there. So an older format
 * can be read, and a backup keeps having no epoch. Segment files may be missing or cut short. Nobody
 * else may write to the store meanwhile.
 * Faults: NOT_FOUND where there is no store; those of `openEmbeddedStore`.
 */
export async function viewEmbeddedStore(
  options: Pick<EmbeddedStoreOptions, 'directory' | 'clock' | 'statusSecret'>,
): Promise<StoreView> {
  const directory = resolve(options.directory);
  if (!holdsStore(directory)) {
    throw new CertmillError('NOT_FOUND', `there is no store in ${directory}`);
  }
  const view = await mkdtemp(join(tmpdir(), 'certmill-view-'));
  const remove = (): Promise<void> => rm(view, { recursive: true, force: true });
  try {
    mirror(directory, view);
    const store = await openEmbeddedStore({ ...options, directory: view, allowsDamage: true });
    return {
      store,
      async [Symbol.asyncDispose]() {
        await store.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    // People know the store by its own path.
    if (!isCertmillError(error)) throw storeFault(error, `read the store ${directory}`);
    throw new CertmillError(error.code, error.message.replaceAll(view, directory), {
      cause: error,
    });
  }
}

function mirror(directory: string, view: string): void {
  const { database, ...folders } = storeFiles(directory);
  for (const file of databaseSuffixes.map((suffix) => database + suffix)) {
    if (existsSync(file)) copyFileSync(file, join(view, basename(file)));
  }
  for (const folder of Object.values(folders)) {
    const mirrored = join(view, basename(folder));
    mkdirSync(mirrored);
    if (!existsSync(folder)) continue;
    for (const name of readdirSync(folder)) symlinkSync(join(folder, name), join(mirrored, name));
  }
}
