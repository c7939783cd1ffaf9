import { copyFile, cp, mkdir, readdir, rm } from 'node:fs/promises';
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { restoreEmbeddedStore } from '@certmill/adapter-embedded';
import { CertmillError } from '@certmill/domain';
import type { Issuance } from './open-issuance.js';

/** What lies beside store and log: CAs (keys stay encrypted), serial keys, secrets of the folder. */
const besides = ['ca', 'serial-keys.json', 'hop-secret', 'manifest-key.pem'];
const segmentSuffix = '.log';
const offsetsFile = 'groups.json';

/**
 * A consistent copy of the data folder while it runs. The log is copied before the store and its
 * segments once more after it, and none is removed meanwhile: whatever the store's copy has in flight
 * is in the log's copy. Chunks that came later are in the log without a registration, and are set
 * aside as dead letters after a restore: their upload was never part of this backup.
 * Faults: CONFLICT where the target is not empty; FAULT_DISK_FULL, FAULT_STORE_DOWN.
 */
export async function backUpDataFolder(
  directory: string,
  issuance: Issuance,
  target: string,
): Promise<void> {
  if (existsSync(target) && readdirSync(target).length > 0) {
    throw new CertmillError('CONFLICT', `${target} is not empty`);
  }
  await mkdir(target, { recursive: true, mode: 0o700 });
  try {
    await copyLogAndStore(directory, issuance, target);
    for (const name of besides) {
      const from = join(directory, name);
      if (existsSync(from)) await cp(from, join(target, name), { recursive: true });
    }
  } catch (error) {
    await rm(target, { recursive: true, force: true });
    throw error;
  }
}

async function copyLogAndStore(
  directory: string,
  issuance: Issuance,
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
  for (const topic of await readdir(from, { withFileTypes: true })) {
    if (!topic.isDirectory()) continue;
    await mkdir(join(to, topic.name), { recursive: true });
    for (const name of (await readdir(join(from, topic.name))).filter(isWanted)) {
      await copyFile(join(from, topic.name, name), join(to, topic.name, name));
    }
  }
}

/** Puts a backup in the place of a data folder, which must not be there or be empty. */
export async function restoreDataFolder(backup: string, directory: string): Promise<void> {
  if (!existsSync(join(backup, 'store'))) {
    throw new CertmillError('NOT_FOUND', `${basename(backup)} holds no backup of a data folder`);
  }
  if (existsSync(directory) && readdirSync(directory).length > 0) {
    throw new CertmillError('CONFLICT', `${directory} is not empty`);
  }
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await restoreEmbeddedStore(join(backup, 'store'), join(directory, 'store'));
  for (const name of ['log', ...besides]) {
    const from = join(backup, name);
    if (existsSync(from)) await cp(from, join(directory, name), { recursive: true });
  }
}
