import { join } from 'node:path';
import { readRunningCrls, type RunningCrls } from '@certmill/adapter-embedded';
import { isCertmillError } from '@certmill/domain';
import { findIssuers, type Issuer } from '@certmill/trust';
import { openStoreForReading } from './open-store-for-reading.js';

/** The CRLs of a data folder and the rows they are made of, to be read. */
export interface OpenedCrls extends AsyncDisposable {
  readonly crls: Omit<RunningCrls, keyof Disposable>;
  readonly issuers: readonly Issuer[];
}

/**
 * Opens the CRLs of a data folder, or a backup, beside the server that works in it or where none does, and
 * changes nothing. Faults as `openStoreForReading`.
 */
export async function openCrls(directory: string): Promise<OpenedCrls> {
  try {
    const opened = await openStoreForReading(directory);
    return {
      crls: opened.store,
      issuers: opened.issuers,
      [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
    };
  } catch (error) {
    if (!isCertmillError(error) || error.code !== 'DATA_FOLDER_IN_USE') throw error;
    const issuers = await findIssuers(directory);
    const crls = readRunningCrls(join(directory, 'store'));
    return {
      crls,
      issuers,
      [Symbol.asyncDispose]() {
        crls[Symbol.dispose]();
        return Promise.resolve();
      },
    };
  }
}
