import { DatabaseSync } from 'node:sqlite';
import type { CrlStore } from '@certmill/ports';
import { CrlFiles } from './crl-files.js';
import { CrlReader } from './crl-reader.js';
import { CrlTable } from './crl-table.js';
import { storeFault } from './store-fault.js';
import { storeFiles } from './store-files.js';

export type RunningCrls = Pick<CrlStore, 'getCrl' | 'describeCrl'> & Disposable;

/**
 * The CRLs in force in a store that another process has open, as they are at each call. Its writer is not
 * kept from anything, and no octet changes. Faults: FAULT_STORE_DOWN, FAULT_STORE_CORRUPT.
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
  const reader = new CrlReader(
    (scope, kind) => Promise.resolve().then(() => guarded(() => table.find(scope, kind))),
    new CrlFiles(directory),
  );
  return {
    getCrl: (scope, kind) => reader.getCrl(scope, kind),
    describeCrl: (scope, kind) => reader.describeCrl(scope, kind),
    [Symbol.dispose]: () => db.close(),
  };
}
