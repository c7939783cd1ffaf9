import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { holdsRecords } from '@certmill/adapter-embedded';
import { CertmillError } from '@certmill/domain';

/** Where things lie in a data folder. One process at a time works in it. */
export interface DataFolder {
  readonly directory: string;
  readonly ca: string;
  readonly store: string;
  readonly log: string;
  /** 32 octets: hop seals are derived from it. */
  readonly secret: Uint8Array;
  release(): void;
}

/** What makes names durable; injected, so that a test can watch it. */
export interface DataFolderDisk {
  syncDirectory(path: string): void;
}

const nodeDataFolderDisk: DataFolderDisk = {
  syncDirectory(path) {
    const descriptor = openSync(path, 'r');
    try {
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  },
};

const secretBytes = 32;
/** In a folder while a backup is copied into it. */
export const restoringMark = 'restoring';
/** Written when all else of a backup is durable: without it the backup was cut off. */
export const backupMark = 'backup.json';
/** In a folder that was carried into a fleet. */
export const migratedMark = 'migrated.json';

/**
 * Takes a data folder, making it where it is not there. The lock is the kernel's (an exclusive
 * transaction on a file of its own), so it is gone with its process, also after kill -9.
 * DATA_FOLDER_IN_USE where another process has it, FAULT_STORE_CORRUPT where a restore was cut off,
 * CONFLICT where it is a backup, or was carried into a fleet: two that work would be the same store.
 */
export function takeDataFolder(
  directory: string,
  disk: DataFolderDisk = nodeDataFolderDisk,
): DataFolder {
  if (isBackup(directory)) {
    throw new CertmillError(
      'CONFLICT',
      `${directory} is a backup: restore it into a folder of its own with 'certmill restore ${directory} --data DIR'`,
    );
  }
  if (existsSync(join(directory, migratedMark))) {
    throw new CertmillError(
      'CONFLICT',
      `${directory} was carried into a fleet, which goes on in its place: nothing may work in it any more`,
    );
  }
  assertRestored(directory);
  makeDurably(directory, disk);
  const lock = lockFolder(directory);
  try {
    const log = join(directory, 'log');
    const secret = secretOf(join(directory, 'hop-secret'), log);
    disk.syncDirectory(directory);
    return {
      directory,
      ca: join(directory, 'ca'),
      store: join(directory, 'store'),
      log,
      secret,
      release() {
        if (lock.isOpen) lock.close();
      },
    };
  } catch (error) {
    lock.close();
    throw error;
  }
}

/**
 * Keeps others from working in a data folder that is to be read, and makes nothing but the lock; a
 * backup needs none. Faults as `takeDataFolder`.
 */
export function holdDataFolder(directory: string): Disposable {
  assertRestored(directory);
  const lock = isBackup(directory) ? undefined : lockFolder(directory);
  return { [Symbol.dispose]: () => lock?.close() };
}

function isBackup(directory: string): boolean {
  return existsSync(join(directory, backupMark));
}

function assertRestored(directory: string): void {
  if (existsSync(join(directory, restoringMark))) {
    throw new CertmillError(
      'FAULT_STORE_CORRUPT',
      `a restore into ${directory} was cut off: empty the folder and restore again`,
    );
  }
}

function lockFolder(directory: string): DatabaseSync {
  const lock = new DatabaseSync(join(directory, 'certmill.lock'), { timeout: 0 });
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return lock;
  } catch (cause) {
    lock.close();
    throw new CertmillError(
      'DATA_FOLDER_IN_USE',
      `another Certmill process works in ${directory}; stop it, or use another folder (--data)`,
      { cause },
    );
  }
}

/** The folder with those above it that are missing, their names durable. */
function makeDurably(directory: string, disk: DataFolderDisk): void {
  const first = mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  const top = dirname(resolve(first));
  let at = resolve(directory);
  while (at !== top) {
    at = dirname(at);
    disk.syncDirectory(at);
  }
}

/**
 * Reads the secret, or makes one, whose name the caller makes durable before it is used once.
 * FAULT_STORE_CORRUPT where it is gone while the log holds what was sealed with it.
 */
function secretOf(file: string, log: string): Uint8Array {
  const existing = readIfThere(file);
  if (existing !== undefined) {
    if (existing.length !== secretBytes) {
      throw new CertmillError(
        'FAULT_STORE_CORRUPT',
        `${file} does not hold ${String(secretBytes)} octets`,
      );
    }
    return existing;
  }
  if (holdsRecords(log)) {
    throw new CertmillError(
      'FAULT_STORE_CORRUPT',
      `${file} is missing, and ${log} holds requests that are sealed with it: with a new secret each of ` +
        'them would be refused as forged, and lost. Put the file back, or restore a backup',
    );
  }
  const secret = randomBytes(secretBytes);
  const temporary = `${file}.tmp`;
  const descriptor = openSync(temporary, 'w', 0o600);
  try {
    writeSync(descriptor, secret);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
  return secret;
}

/** The secret of a data folder or a backup; undefined where it has none. */
export function readFolderSecret(directory: string): Uint8Array | undefined {
  return readIfThere(join(directory, 'hop-secret'));
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    // Not by `instanceof`: node's own errors may come from another realm.
    const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '';
    if (code === 'ENOENT') return undefined;
    throw error;
  }
}
