import { DatabaseSync } from 'node:sqlite';
import { RevocationTable, type ChangedRow } from './store/revocation-table.js';
import { ScopeSums } from './store/scope-sums.js';
import { storeFiles } from './store/store-files.js';

export type { ChangedRow } from './store/revocation-table.js';

/** A call that changes statuses has a few hundred. */
const rowsAtOnce = 1_000;

/**
 * Writes rows of CRLs into a store at rest as revocations leave them, sealed, without certificates that they
 * would be of: a bench of CRLs needs no certificates.
 */
export function fillRevocations(
  storeDirectory: string,
  statusSecret: Uint8Array,
  rows: Iterable<ChangedRow>,
  nowMs: number,
): void {
  const db = new DatabaseSync(storeFiles(storeDirectory).database);
  const table = new RevocationTable(db, new ScopeSums(statusSecret));
  let together: ChangedRow[] = [];
  const put = (): void => {
    table.put(together, nowMs);
    together = [];
  };
  db.exec('BEGIN');
  for (const row of rows) if (together.push(row) === rowsAtOnce) put();
  put();
  db.exec('COMMIT');
  db.close();
}
