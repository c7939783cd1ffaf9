import { rm } from 'node:fs/promises';
import { isCertmillError, type CertmillError } from '@certmill/domain';
import type { PageCache, RequestKeys, RunWriter, SpareMemtables } from '@certmill/packed';
import type { JournalStorage } from './journal-storage.js';
import { loadSnapshot, type LoadedSnapshot } from './load-snapshot.js';
import { ShardView } from './shard-view.js';
import { journalStart, ViewRuns } from './view-runs.js';

export interface OpenViewOptions {
  readonly storage: JournalStorage;
  readonly shard: number;
  /** Of this view alone; what is there is removed. */
  readonly directory: string;
  readonly keys: RequestKeys;
  readonly runWriter: RunWriter;
  readonly pageCache: PageCache;
  readonly spares: SpareMemtables;
  readonly flushEntries: number;
  readonly onFault: (fault: CertmillError) => void;
}

export interface OpenedView {
  readonly view: ShardView;
  /** What it began with; undefined where that is the first entry. */
  readonly snapshot: LoadedSnapshot | undefined;
}

const noRuns = { claims: [], index: [] };

/**
 * A view as the newest snapshot has it; the entries behind are still to be folded. A snapshot that
 * cannot be used is reported and passed over: the journal is all that counts.
 * Faults: FAULT_STORE_DOWN, FAULT_DISK_FULL.
 */
export async function openView(options: OpenViewOptions): Promise<OpenedView> {
  const { storage, shard, directory, onFault } = options;
  try {
    const snapshot = await loadSnapshot(storage, shard, directory);
    if (snapshot !== undefined) return { view: viewOf(options, snapshot), snapshot };
  } catch (error) {
    if (!isUnusable(error)) throw error;
    onFault(error);
  }
  await rm(directory, { recursive: true, force: true });
  return { view: viewOf(options, undefined), snapshot: undefined };
}

function viewOf(options: OpenViewOptions, snapshot: LoadedSnapshot | undefined): ShardView {
  const { place = journalStart, runs = noRuns } = snapshot ?? {};
  return new ShardView(new ViewRuns({ ...options, place, runs }), options.keys, place);
}

function isUnusable(error: unknown): error is CertmillError {
  return (
    isCertmillError(error) &&
    (error.code === 'FAULT_STORE_CORRUPT' || error.code === 'DATA_FORMAT_UNSUPPORTED')
  );
}
