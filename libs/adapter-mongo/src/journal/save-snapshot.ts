import { createHash, randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { diskFault } from '@certmill/packed';
import { blobPieceBytes, type JournalStorage } from './journal-storage.js';
import {
  decodeSnapshotState,
  encodeSnapshotState,
  type RetiredBlob,
  type SnapshotRun,
  type SnapshotState,
} from './snapshot-state.js';
import { journalStart, mapNames, type MapName, type ViewRuns } from './view-runs.js';

export interface SnapshotOptions {
  readonly storage: JournalStorage;
  readonly shard: number;
  readonly nowMs: number;
  /** How long a retired blob is kept. */
  readonly graceMs: number;
  /**
   * By map and file name, of this process: runs whose digest is known, because they were uploaded or
   * downloaded here. What is on the disk no more is forgotten.
   */
  readonly known: Map<string, SnapshotRun>;
}

export interface SavedSnapshot {
  readonly isSaved: boolean;
  /** Up to where the newest snapshot reaches. */
  readonly seq: number;
}

const noState: SnapshotState = { place: journalStart, runs: [], retired: [] };

/**
 * Uploads what the runs of a view hold and makes it the snapshot of its shard, unless another process
 * was first. A blob is used again only where the state that is replaced names it: whoever removes one
 * has taken it out of the state before, and an id never comes back.
 * Faults: FAULT_STORE_DOWN, FAULT_DISK_FULL, FAULT_STORE_CORRUPT.
 */
export async function saveSnapshot(
  view: ViewRuns,
  options: SnapshotOptions,
): Promise<SavedSnapshot> {
  const { storage, shard, nowMs, graceMs } = options;
  const release = await view.holdFiles();
  try {
    const { place, runs: lists } = view.flushed;
    const stored = await storage.getState(shard);
    const old = stored === undefined ? noState : decodeSnapshotState(stored.value);
    if (old.place.seq >= place.seq) return { isSaved: false, seq: old.place.seq };
    const listed = await storage.listBlobs(shard);
    const runs: SnapshotRun[] = [];
    for (const map of mapNames) {
      for (const name of lists[map]) {
        runs.push(await uploadOnce(join(view.directory, map, name), map, name, old, options));
      }
    }
    const retired = retiredBy(runs, old, listed, nowMs);
    const isDue = ({ sinceMs }: RetiredBlob): boolean => sinceMs + graceMs <= nowMs;
    const state = { place, runs, retired: retired.filter((blob) => !isDue(blob)) };
    const version = stored?.version ?? 0;
    if (!(await storage.compareAndSetState(shard, version, encodeSnapshotState(state)))) {
      return { isSaved: false, seq: old.place.seq };
    }
    forgetOthers(options.known, lists);
    for (const { blobId } of retired.filter(isDue)) await storage.deleteBlob(shard, blobId);
    return { isSaved: true, seq: place.seq };
  } finally {
    release();
  }
}

/** Every blob that is there and not used: of older snapshots, and of uploads that came to nothing. */
function retiredBy(
  runs: readonly SnapshotRun[],
  old: SnapshotState,
  listed: readonly string[],
  nowMs: number,
): RetiredBlob[] {
  const used = new Set(runs.map(({ blobId }) => blobId));
  const since = new Map(old.retired.map(({ blobId, sinceMs }) => [blobId, sinceMs]));
  const present = [...new Set([...listed, ...since.keys()])];
  return present
    .filter((blobId) => !used.has(blobId))
    .map((blobId) => ({ blobId, sinceMs: since.get(blobId) ?? nowMs }));
}

async function uploadOnce(
  path: string,
  map: MapName,
  name: string,
  old: SnapshotState,
  { storage, shard, known }: SnapshotOptions,
): Promise<SnapshotRun> {
  const place = `${map}/${name}`;
  const digested = known.get(place) ?? { map, blobId: '', ...(await digestOf(path)) };
  const kept = usable(old, digested);
  const run = kept ?? { ...digested, blobId: `${map}-${randomBytes(16).toString('hex')}` };
  if (kept === undefined) {
    await forEachPiece(path, (bytes, piece) => storage.putBlob(shard, run.blobId, piece, bytes));
  }
  known.set(place, run);
  return run;
}

/** A run of the same content that the state in force still has: views come to the same files. */
function usable(old: SnapshotState, digested: SnapshotRun): SnapshotRun | undefined {
  const same = old.runs.find(
    ({ map, sha256 }) => map === digested.map && Buffer.compare(sha256, digested.sha256) === 0,
  );
  if (same !== undefined) return same;
  return old.retired.some(({ blobId }) => blobId === digested.blobId) ? digested : undefined;
}

async function digestOf(path: string): Promise<Pick<SnapshotRun, 'bytes' | 'sha256'>> {
  const digest = createHash('sha256');
  let length = 0;
  await forEachPiece(path, (bytes) => {
    digest.update(bytes);
    length += bytes.length;
    return Promise.resolve();
  });
  return { bytes: length, sha256: new Uint8Array(digest.digest()) };
}

async function forEachPiece(
  path: string,
  /** The octets are the caller's again once it resolves. */
  use: (bytes: Uint8Array, piece: number) => Promise<void>,
): Promise<void> {
  try {
    const file = await open(path, 'r');
    try {
      const buffer = new Uint8Array(blobPieceBytes);
      for (let piece = 0; ; piece += 1) {
        const { bytesRead } = await file.read(buffer, 0, blobPieceBytes, piece * blobPieceBytes);
        if (bytesRead === 0) return;
        await use(buffer.subarray(0, bytesRead), piece);
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    throw diskFault(error, `read ${path}`);
  }
}

function forgetOthers(
  known: Map<string, SnapshotRun>,
  lists: Readonly<Record<MapName, readonly string[]>>,
): void {
  const present = new Set(mapNames.flatMap((map) => lists[map].map((name) => `${map}/${name}`)));
  for (const place of known.keys()) if (!present.has(place)) known.delete(place);
}
