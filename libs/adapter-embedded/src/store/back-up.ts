import { existsSync, readdirSync } from 'node:fs';
import { cp, mkdir, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { CertmillError } from '@certmill/domain';
import { CrlTable } from './crl-table.js';
import type { MaintenanceGate } from './maintenance-gate.js';
import { recordedLengths, type StoreCore } from './open-core.js';
import { markAsBackup } from './schema.js';
import { segmentFileName } from './segment-files.js';
import { storeFault } from './store-fault.js';
import { allowListFile, crlFile, storeFiles } from './store-files.js';
import { OrderTable } from './order-table.js';

/**
 * Copies the store as of one moment while it runs: first the database, then the files that its copy
 * names. Those only grow, and none is removed before they are copied. The copy has no epoch: opened,
 * it gets a new one, so no batch id of the original can come up again.
 * Faults: CONFLICT where the target is not empty; FAULT_DISK_FULL, FAULT_STORE_DOWN.
 */
export async function backUp(
  core: StoreCore,
  gate: MaintenanceGate,
  target: string,
): Promise<void> {
  if (existsSync(target) && readdirSync(target).length > 0) {
    throw new CertmillError('CONFLICT', `${target} is not empty`);
  }
  const from = storeFiles(core.directory);
  const to = storeFiles(target);
  try {
    for (const folder of [to.segments, to.claims, to.index, to.allowLists, to.crls]) {
      await mkdir(folder, { recursive: true });
    }
    const segmentLengths = await copyReplaceable(core, gate, target);
    for (const [file, length] of segmentLengths) {
      const name = segmentFileName(file);
      await copyPrefix(join(from.segments, name), join(to.segments, name), length);
    }
  } catch (error) {
    await rm(target, { recursive: true, force: true });
    throw storeFault(error, `back up to ${target}`);
  }
}

/**
 * Copies the database and the files that it names and that merges and imports replace. Segments are
 * only appended to and may be copied later, up to the lengths returned: they are the most octets by
 * far, and runs cannot be replaced while the gate is shut.
 */
async function copyReplaceable(
  core: StoreCore,
  gate: MaintenanceGate,
  target: string,
): Promise<ReadonlyMap<number, number>> {
  const from = storeFiles(core.directory);
  const to = storeFiles(target);
  gate.shut();
  try {
    await copyDatabase(from.database, to.database);
    const copy = new DatabaseSync(to.database);
    try {
      markAsBackup(copy);
      for (const map of ['claims', 'index'] as const) {
        for (const name of namesOf(copy, map)) {
          await copyWhole(join(from[map], name), join(to[map], name));
        }
      }
      for (const id of new OrderTable(copy).allowListIds()) {
        await copyWhole(allowListFile(core.directory, id), allowListFile(target, id));
      }
      for (const { fileId } of new CrlTable(copy).files()) {
        await copyWhole(crlFile(core.directory, fileId), crlFile(target, fileId));
      }
      return recordedLengths(copy);
    } finally {
      copy.close();
    }
  } finally {
    gate.open();
  }
}

/** More than a database can have: node takes no negative number for "all". */
const allPages = 0x7fff_ffff;

/**
 * In one step of a connection of its own, off this thread: it reads one snapshot, sees no transaction
 * half done, and writers need not wait for it.
 */
async function copyDatabase(from: string, to: string): Promise<void> {
  const source = new DatabaseSync(from, { readOnly: true });
  try {
    await backup(source, to, { rate: allPages });
  } finally {
    source.close();
  }
}

/**
 * Puts a backup in the place of a store, which must not be there. Each restore has no epoch until it is
 * opened, also where the backup was opened itself and has one. Its CRLs are due. Faults: CONFLICT, NOT_FOUND,
 * FAULT_STORE_CORRUPT, FAULT_DISK_FULL, FAULT_STORE_DOWN.
 */
export async function restoreEmbeddedStore(backupFolder: string, directory: string): Promise<void> {
  if (!existsSync(storeFiles(backupFolder).database)) {
    throw new CertmillError('NOT_FOUND', `${backupFolder} holds no backup of a store`);
  }
  if (existsSync(directory) && readdirSync(directory).length > 0) {
    throw new CertmillError('CONFLICT', `${directory} is not empty`);
  }
  try {
    await cp(backupFolder, directory, { recursive: true });
    const restored = new DatabaseSync(storeFiles(directory).database);
    try {
      markAsBackup(restored);
      new CrlTable(restored).makeDue();
    } finally {
      restored.close();
    }
  } catch (error) {
    throw storeFault(error, `restore ${directory}`);
  }
}

function namesOf(db: DatabaseSync, map: string): string[] {
  const row = db.prepare('SELECT names FROM run_lists WHERE map = ?').get(map);
  return typeof row?.['names'] === 'string' ? (JSON.parse(row['names']) as string[]) : [];
}

async function copyWhole(from: string, to: string): Promise<void> {
  await copyPrefix(from, to, (await stat(from)).size);
}

const copyPieceBytes = 4 * 1024 * 1024;

/** Copies the first `length` octets and makes them durable. */
async function copyPrefix(from: string, to: string, length: number): Promise<void> {
  await using source = await open(from, 'r');
  await using copy = await open(to, 'wx');
  const piece = Buffer.allocUnsafe(Math.min(length, copyPieceBytes));
  for (let at = 0; at < length;) {
    const { bytesRead } = await source.read(piece, 0, Math.min(piece.length, length - at), at);
    if (bytesRead === 0) {
      throw new CertmillError('FAULT_STORE_CORRUPT', `${from} is shorter than recorded`);
    }
    await copy.write(piece, 0, bytesRead, at);
    at += bytesRead;
  }
  await copy.sync();
}
