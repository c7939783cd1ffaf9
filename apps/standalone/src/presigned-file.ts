import { join } from 'node:path';

/** Of a data folder in which responses are signed ahead. */
export function presignedFileOf(directory: string): string {
  return join(directory, 'ocsp-responses.sqlite');
}
