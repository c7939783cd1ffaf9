import { copyFile, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync, readdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import {
  holdsStore,
  openEmbeddedStore,
  restoreEmbeddedStore,
  type EmbeddedStore,
} from '@certmill/adapter-embedded';
import { CertmillError, isCertmillError, isDiskFull } from '@certmill/domain';
import type { Clock } from '@certmill/ports';
import {
  auditFolderName,
  caDirectoryOf,
  caRequestsFolderName,
  developmentPassphraseFileOf,
  importedCrlsFolderName,
  keptStatusFileName,
} from '@certmill/trust';
import { ceremoniesFolderName } from '@certmill/trust/approvals';
import { compromisesFolderName } from '@certmill/trust/compromise';
import { backupMark, restoringMark, takeDataFolder } from './data-folder.js';
import { nodeSyncDisk, syncTree, type SyncDisk } from './sync-tree.js';

/**
 * What lies beside store and log: CAs and those that wait for their certificates (keys stay encrypted),
 * serial keys, secrets of the folder, approvals that were used, what ceremonies and runs that leave an
 * issuer left, the audit trail that needs no store, CRLs that were taken in, and the status addresses that
 * issuers are held to.
 */
const besides = [
  ...['ca', caRequestsFolderName, 'serial-keys.json', 'hop-secret', 'manifest-key.pem'],
  ...['approvals', ceremoniesFolderName, compromisesFolderName, auditFolderName],
  ...[importedCrlsFolderName, keptStatusFileName],
];
const segmentSuffix = '.log';
const offsetsFile = 'groups.json';
const formatVersion = 1;

/** What a copy is taken of: the parts of an `Issuance` that it needs. */
export interface BackedUp {
  readonly store: Pick<EmbeddedStore, 'backupTo'>;
  readonly services: { readonly clock: Clock };
  /** Until disposed the log removes nothing. */
  holdLog(): Disposable;
}

/**
 * The same of a folder that nothing runs in: only its store is opened, and what is in flight stays so.
 * Also DATA_FOLDER_IN_USE, and NOT_FOUND where there is neither a store nor a CA.
 */
export async function backUpStoppedFolder(directory: string, target: string): Promise<void> {
  if (!holdsStore(join(directory, 'store')) && !holdsAuthority(directory)) {
    throw new CertmillError(
      'NOT_FOUND',
      `${directory} is no data folder: it has no store and no CA`,
    );
  }
  const folder = takeDataFolder(directory);
  try {
    const clock = { nowMs: () => Date.now() };
    const store = await openEmbeddedStore({ directory: folder.store, clock });
    try {
      const holdLog = () => ({ [Symbol.dispose]: () => undefined });
      await backUpDataFolder(directory, { store, services: { clock }, holdLog }, target);
    } finally {
      await store.close();
    }
  } finally {
    folder.release();
  }
}

/**
 * A consistent copy of the data folder while it runs. The log is copied before the store and its
 * segments once more after it, and none is removed meanwhile: whatever the store's copy has in flight
 * is in the log's copy. Chunks that came later are in the log without a registration, and are set
 * aside as dead letters after a restore: their upload was never part of this backup.
 * Every file and folder is durable before the file that says that the backup is complete.
 * Faults: CONFLICT where the target is not empty; FAULT_DISK_FULL, FAULT_STORE_DOWN.
 */
export async function backUpDataFolder(
  directory: string,
  issuance: BackedUp,
  target: string,
  disk: SyncDisk = nodeSyncDisk,
): Promise<void> {
  if (existsSync(target) && readdirSync(target).length > 0) {
    throw new CertmillError('CONFLICT', `${target} is not empty`);
  }
  await mkdir(target, { recursive: true, mode: 0o700 });
  try {
    await copyLogAndStore(directory, issuance, target);
    for (const name of besides) {
      const from = join(directory, name);
      if (existsSync(from))
        await cp(from, join(target, name), { recursive: true, filter: isWhole });
    }
    await syncTree(resolve(target), disk);
    const madeAt = new Date(issuance.services.clock.nowMs()).toISOString();
    await writeFile(join(target, backupMark), `${JSON.stringify({ formatVersion, madeAt })}\n`);
    await disk.syncFile(join(target, backupMark));
    await disk.syncDirectory(target);
  } catch (error) {
    await rm(target, { recursive: true, force: true });
    throw copyFault(error, `back up to ${target}`);
  }
}

/** Not what a command is writing this moment, and renames once it is whole. */
const isWhole = (path: string): boolean => !/^\..*\.tmp$|\.[0-9a-f]{12}\.tmp$/.test(basename(path));

/** A CA of any role, or the request of one: the folder of an offline root has no store. */
function holdsAuthority(directory: string): boolean {
  return [caDirectoryOf(directory), join(directory, caRequestsFolderName)].some(
    (folder) =>
      existsSync(folder) &&
      readdirSync(folder, { withFileTypes: true }).some((entry) => entry.isDirectory()),
  );
}

/** Whether a backup holds the passphrase of its CA keys, which is made beside them for development. */
export function holdsPassphrase(backup: string): boolean {
  return existsSync(developmentPassphraseFileOf(backup));
}

async function copyLogAndStore(
  directory: string,
  issuance: BackedUp,
  target: string,
): Promise<void> {
  const hold = issuance.holdLog();
  try {
    await copyLog(join(directory, 'log'), join(target, 'log'), isLogFile);
    await issuance.store.backupTo(join(target, 'store'));
    await copyLog(join(directory, 'log'), join(target, 'log'), isSegment);
  } finally {
    hold[Symbol.dispose]();
  }
}

const isSegment = (name: string): boolean => name.endsWith(segmentSuffix);
/** Not what is about to be renamed: it may be gone before it is copied. */
const isLogFile = (name: string): boolean => isSegment(name) || name === offsetsFile;

/** The second time only segments: offsets stay those of before, which only redelivers. */
async function copyLog(
  from: string,
  to: string,
  isWanted: (name: string) => boolean,
): Promise<void> {
  // Made by the first start.
  if (!existsSync(from)) return;
  for (const topic of await readdir(from, { withFileTypes: true })) {
    if (!topic.isDirectory()) continue;
    await mkdir(join(to, topic.name), { recursive: true });
    for (const name of (await readdir(join(from, topic.name))).filter(isWanted)) {
      await copyFile(join(from, topic.name, name), join(to, topic.name, name));
    }
  }
}

/**
 * Puts a backup in the place of a data folder, which must not be there or be empty; durable when it
 * resolves. Until it is whole the folder is marked, and nothing opens it.
 * Faults: NOT_FOUND where there is no complete backup; DATA_FORMAT_UNSUPPORTED; CONFLICT;
 * FAULT_DISK_FULL, FAULT_STORE_DOWN.
 */
export async function restoreDataFolder(
  backup: string,
  directory: string,
  disk: SyncDisk = nodeSyncDisk,
): Promise<void> {
  await assertComplete(backup);
  if (existsSync(directory) && readdirSync(directory).length > 0) {
    throw new CertmillError('CONFLICT', `${directory} is not empty`);
  }
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const mark = join(directory, restoringMark);
  try {
    await writeFile(mark, '');
    await disk.syncFile(mark);
    await disk.syncDirectory(directory);
    await restoreEmbeddedStore(join(backup, 'store'), join(directory, 'store'));
    for (const name of ['log', ...besides]) {
      const from = join(backup, name);
      if (existsSync(from)) await cp(from, join(directory, name), { recursive: true });
    }
    await syncTree(resolve(directory), disk);
    await rm(mark);
    await disk.syncDirectory(directory);
  } catch (error) {
    for (const name of readdirSync(directory)) {
      await rm(join(directory, name), { recursive: true, force: true });
    }
    throw copyFault(error, `restore ${directory}`);
  }
}

async function assertComplete(backup: string): Promise<void> {
  const file = join(backup, backupMark);
  if (!existsSync(join(backup, 'store')) || !existsSync(file)) {
    throw new CertmillError(
      'NOT_FOUND',
      `${basename(backup)} holds no complete backup of a data folder`,
    );
  }
  const found: unknown = JSON.parse(await readFile(file, 'utf8'));
  const version =
    typeof found === 'object' && found !== null && 'formatVersion' in found
      ? found.formatVersion
      : undefined;
  if (version !== formatVersion) {
    throw new CertmillError('DATA_FORMAT_UNSUPPORTED', `${file} is of another release`);
  }
}

function copyFault(error: unknown, what: string): CertmillError {
  if (isCertmillError(error)) return error;
  return isDiskFull(error)
    ? new CertmillError('FAULT_DISK_FULL', `cannot ${what}: the disk is full`, { cause: error })
    : new CertmillError('FAULT_STORE_DOWN', `cannot ${what}`, { cause: error });
}
