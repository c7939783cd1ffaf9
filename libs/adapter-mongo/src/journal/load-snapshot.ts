import { createHash } from 'node:crypto';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { diskFault } from '@certmill/packed';
import { chainAfter } from './journal-entry.js';
import type { JournalStorage } from './journal-storage.js';
import { decodeSnapshotState, type SnapshotRun, type SnapshotState } from './snapshot-state.js';
import { mapNames, type JournalPlace, type MapName, type RunLists } from './view-runs.js';

export interface LoadedSnapshot {
  readonly place: JournalPlace;
  readonly runs: RunLists;
  /** By map and file name: what need not be uploaded again. */
  readonly known: ReadonlyMap<string, SnapshotRun>;
}

/** A newer snapshot may have been made, and the blobs of the older one removed, while it was read. */
const attempts = 3;

/**
 * Brings the newest snapshot into a folder; undefined where there is none.
 * Faults: FAULT_STORE_CORRUPT where it is no snapshot of this journal or not whole (nothing of it may
 * be used), DATA_FORMAT_UNSUPPORTED, FAULT_STORE_DOWN, FAULT_DISK_FULL.
 */
export async function loadSnapshot(
  storage: JournalStorage,
  shard: number,
  directory: string,
): Promise<LoadedSnapshot | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    const stored = await storage.getState(shard);
    if (stored === undefined) return undefined;
    const state = decodeSnapshotState(stored.value);
    if (state.place.seq === 0) return undefined;
    await assertPlace(storage, shard, state.place);
    const loaded = await load(storage, shard, state, directory);
    if (loaded !== undefined) return loaded;
    const newer = await storage.getState(shard);
    if (newer?.version === stored.version || attempt === attempts) {
      throw new CertmillError('FAULT_STORE_CORRUPT', 'a snapshot of a journal is not whole');
    }
  }
}

/** A snapshot may be newer than what a restore left of its journal. */
async function assertPlace(
  storage: JournalStorage,
  shard: number,
  { seq, before, chain }: JournalPlace,
): Promise<void> {
  const [head] = await storage.readHeads(shard, [seq]);
  if (head !== undefined && Buffer.compare(chainAfter(before, head), chain) === 0) return;
  throw new CertmillError('FAULT_STORE_CORRUPT', 'a snapshot is of another journal');
}

/** Undefined where a blob is missing. */
async function load(
  storage: JournalStorage,
  shard: number,
  state: SnapshotState,
  directory: string,
): Promise<LoadedSnapshot | undefined> {
  const runs: Record<MapName, string[]> = { claims: [], index: [] };
  const known = new Map<string, SnapshotRun>();
  try {
    await rm(directory, { recursive: true, force: true });
    for (const map of mapNames) await mkdir(join(directory, map), { recursive: true });
    for (const run of state.runs) {
      const name = `${String(runs[run.map].length + 1).padStart(10, '0')}.run`;
      const path = join(directory, run.map, name);
      if (!(await download(storage, shard, run, path))) return undefined;
      runs[run.map].push(name);
      known.set(`${run.map}/${name}`, run);
    }
  } catch (error) {
    throw diskFault(error, `load a snapshot into ${directory}`);
  }
  return { place: state.place, runs, known };
}

async function download(
  storage: JournalStorage,
  shard: number,
  run: SnapshotRun,
  path: string,
): Promise<boolean> {
  const digest = createHash('sha256');
  const file = await open(path, 'wx');
  try {
    let length = 0;
    for (let piece = 0; length < run.bytes; piece += 1) {
      const bytes = await storage.getBlob(shard, run.blobId, piece);
      if (bytes === undefined || bytes.length === 0) return false;
      await file.writeFile(bytes);
      digest.update(bytes);
      length += bytes.length;
    }
    if (!digest.digest().equals(run.sha256)) {
      throw new CertmillError('FAULT_STORE_CORRUPT', 'a run of a snapshot is damaged');
    }
    return true;
  } finally {
    await file.close();
  }
}
