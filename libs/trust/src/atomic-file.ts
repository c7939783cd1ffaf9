import { randomBytes } from 'node:crypto';
import { link, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { diskFullFault } from '@certmill/domain';

/** Readable by its owner only: keys, passphrases and serial keys. */
export const secretFileMode = 0o600;
export const publicFileMode = 0o644;

/**
 * Writes the whole file or nothing, durable before it resolves; replaces a file that is there. FAULT_DISK_FULL
 * where there is no room.
 */
export async function writeFileAtomically(
  file: string,
  content: string | Uint8Array,
  mode: number,
): Promise<void> {
  const temporary = await writeTemporary(file, content, mode);
  try {
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause;
  }
  await syncDirectory(dirname(file));
}

/** The same, unless the file is there: of several writers at once, one resolves to true. */
export async function createFileAtomically(
  file: string,
  content: string | Uint8Array,
  mode: number,
): Promise<boolean> {
  const temporary = await writeTemporary(file, content, mode);
  try {
    await link(temporary, file);
  } catch (cause) {
    if (isErrorCode(cause, 'EEXIST')) return false;
    throw cause;
  } finally {
    await rm(temporary, { force: true });
  }
  await syncDirectory(dirname(file));
  return true;
}

async function writeTemporary(
  file: string,
  content: string | Uint8Array,
  mode: number,
): Promise<string> {
  const unique = randomBytes(6).toString('hex');
  const temporary = join(dirname(file), `.${basename(file)}.${unique}.tmp`);
  try {
    const handle = await open(temporary, 'wx', mode);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    await rm(temporary, { force: true });
    throw diskFullFault(cause, file) ?? cause;
  }
  return temporary;
}

/** Makes the names in a directory durable (a rename alone is not). */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Whether the error is one of the operating system with this code, such as ENOENT. */
export function isErrorCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
