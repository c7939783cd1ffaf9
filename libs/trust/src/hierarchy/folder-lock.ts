import { mkdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { CertmillError } from '@certmill/domain';
import { isErrorCode } from '../atomic-file.js';
import { caDirectoryOf } from './issuer-paths.js';

/** SQLITE_BUSY. */
const sqliteBusy = 5;
const retryMs = 20;
/** What is done under the lock is a few files: who waits longer meets a machine that stands still. */
const patienceMs = 10_000;
const lockFileName = '.lock';

/**
 * Runs what changes the CAs of a data folder, one at a time over all processes. A server that issues
 * is not kept from its work: it only reads there. The lock is the kernel's (an exclusive transaction
 * on a file of its own), so it is gone with its process, also after kill -9. DATA_FOLDER_IN_USE.
 */
export async function withCaLock<T>(dataDirectory: string, work: () => Promise<T>): Promise<T> {
  return withFileLock(join(caDirectoryOf(dataDirectory), lockFileName), patienceMs, work);
}

/**
 * The same for two data folders, such as that of a CA and that of the key which signs it: each is locked once, in the
 * order of their paths, so that no two commands wait for each other. The other one is not made where it is not there.
 */
export async function withCaLocks<T>(
  dataDirectory: string,
  other: string,
  work: () => Promise<T>,
): Promise<T> {
  await mkdir(caDirectoryOf(dataDirectory), { recursive: true, mode: 0o700 });
  return withLocksThere([dataDirectory, other], work);
}

/** The same for the folder of a key alone, which is not made where it is not there. */
export async function withCaLockThere<T>(
  dataDirectory: string,
  work: () => Promise<T>,
): Promise<T> {
  return withLocksThere([dataDirectory], work);
}

async function withLocksThere<T>(
  dataDirectories: readonly string[],
  work: () => Promise<T>,
): Promise<T> {
  const folders = await Promise.all(dataDirectories.map(realCaFolder));
  const inOrder = [...new Set(folders)].filter((folder) => folder !== undefined).sort();
  const locked = inOrder.reduceRight<() => Promise<T>>(
    (inner, folder) => () => withFileLock(join(folder, lockFileName), patienceMs, inner),
    work,
  );
  return locked();
}

/** One path, whichever links lead to it; undefined where there are no CAs. */
async function realCaFolder(dataDirectory: string): Promise<string | undefined> {
  try {
    return await realpath(caDirectoryOf(dataDirectory));
  } catch (cause) {
    if (isErrorCode(cause, 'ENOENT') || isErrorCode(cause, 'ENOTDIR')) return undefined;
    throw cause;
  }
}

/** The same with a lock of its own; its folder is made where it is not there. */
export async function withFileLock<T>(
  file: string,
  waitMs: number,
  work: () => Promise<T>,
): Promise<T> {
  const release = await takeFileLock(file, waitMs);
  if (release === undefined) {
    throw new CertmillError('DATA_FOLDER_IN_USE', `another command works in ${dirname(file)}`);
  }
  try {
    return await work();
  } finally {
    release();
  }
}

/** Takes such a lock until it is released; undefined where another has it for longer than `waitMs`. */
export async function takeFileLock(
  file: string,
  waitMs: number,
): Promise<(() => void) | undefined> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const lock = new DatabaseSync(file, { timeout: 0 });
  try {
    const deadline = performance.now() + waitMs;
    while (!isTaken(lock)) {
      if (performance.now() > deadline) {
        lock.close();
        return undefined;
      }
      await pause(retryMs);
    }
  } catch (error) {
    lock.close();
    throw error;
  }
  return () => {
    lock.close();
  };
}

function isTaken(lock: DatabaseSync): boolean {
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return true;
  } catch (error) {
    const { errcode } = error as { readonly errcode?: number };
    if (errcode === sqliteBusy) return false;
    throw error;
  }
}
