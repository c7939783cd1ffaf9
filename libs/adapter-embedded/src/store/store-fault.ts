import { CertmillError, isCertmillError } from '@certmill/domain';
import { diskFault } from '@certmill/packed';

/** Primary result codes of SQLite (sqlite3.h). */
const sqliteFull = 13;
const sqliteCorrupt = 11;
const sqliteNotADatabase = 26;

/** The fault that an error of SQLite or of the disk is; a CertmillError stays what it is. */
export function storeFault(error: unknown, what: string): CertmillError {
  if (isCertmillError(error)) return error;
  const errcode =
    typeof error === 'object' && error !== null && 'errcode' in error ? error.errcode : undefined;
  if (typeof errcode !== 'number') return diskFault(error, what);
  const primary = errcode & 0xff;
  if (primary === sqliteFull) {
    return new CertmillError('FAULT_DISK_FULL', `cannot ${what}: the disk is full`, {
      cause: error,
    });
  }
  if (primary === sqliteCorrupt || primary === sqliteNotADatabase) {
    return new CertmillError('FAULT_STORE_CORRUPT', `cannot ${what}: the database is damaged`, {
      cause: error,
    });
  }
  return new CertmillError('FAULT_STORE_DOWN', `cannot ${what}: SQLite says ${String(errcode)}`, {
    cause: error,
  });
}
