import { DatabaseSync } from 'node:sqlite';
import { CrlFiles } from './crl-files.js';
import { CrlReader } from './crl-reader.js';
import { CrlTable } from './crl-table.js';
import type { EmbeddedStore } from './embedded-store.js';
import { RevocationTable } from './revocation-table.js';
import { storeFault } from './store-fault.js';
import { storeFiles } from './store-files.js';

export type RunningCrls = Pick<EmbeddedStore, 'getCrl' | 'describeCrl' | 'recordedStatus'> &
  Disposable;

/**
 * The CRLs in force in a store that another process has open, and what its rows say, as they are at each call. Its writer is not
 * kept from anything, and no octet changes. Faults: FAULT_STORE_DOWN, FAULT_STORE_CORRUPT, FAULT_STATUS_FORGED.
 */
export function readRunningCrls(directory: string): RunningCrls {
  const { database } = storeFiles(directory);
  const guarded = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw storeFault(error, `read ${database}`);
    }
  };
  const db = guarded(() => new DatabaseSync(database, { readOnly: true }));
  const table = new CrlTable(db);
  const rows = new RevocationTable(db);
  const soon = <T>(work: () => T): Promise<T> => Promise.resolve().then(() => guarded(work));
  const reader = new CrlReader(
    (scope, kind) => soon(() => table.find(scope, kind)),
    new CrlFiles(directory),
  );
  return {
    getCrl: (scope, kind) => reader.getCrl(scope, kind),
    describeCrl: (scope, kind) => reader.describeCrl(scope, kind),
    recordedStatus: (scope, serialNumber) => soon(() => rows.recordedStatus(scope, serialNumber)),
    [Symbol.dispose]: () => db.close(),
  };
}
