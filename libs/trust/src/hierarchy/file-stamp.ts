import { statSync } from 'node:fs';

/** Another one after each change of a file, or of the names in a folder; empty while it is not there. */
export function fileStamp(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return '';
  // One that is written in its place may grow within a tick of the file system's clock.
  return `${String(found.ino)} ${String(found.mtimeMs)} ${String(found.size)}`;
}
