import { rmSync } from 'node:fs';
import { join } from 'node:path';

/** Of a data folder in which responses are signed ahead. */
export function presignedFileOf(directory: string): string {
  return join(directory, 'ocsp-responses.sqlite');
}

/** Where nothing is signed ahead any more: no revocation reaches what was, so no later start may find it. */
export function removePresignedFile(directory: string): void {
  const file = presignedFileOf(directory);
  // The file first: SQLite throws away a log without one.
  for (const ending of ['', '-wal', '-shm']) rmSync(file + ending, { force: true });
}
