import { mkdirSync, readdirSync, unlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  OpenAllowLists,
  PackedMap,
  PackedMultiMap,
  PageCache,
  RequestKeys,
  type RunWriter,
  startRunWriter,
} from '@certmill/packed';
import { AuditTable } from './audit-table.js';
import { BatchTable } from './batch-table.js';
import { ChunkTable } from './chunk-table.js';
import { CrlTable } from './crl-table.js';
import { DeadLetterTable } from './dead-letter-table.js';
import { JobTable } from './job-table.js';
import { JournaledRuns } from './journaled-runs.js';
import { OrderTable } from './order-table.js';
import { ProfileTable } from './profile-table.js';
import { MassOperationTable } from './mass-operation-table.js';
import { numberIn } from './rows.js';
import { RevocationTable } from './revocation-table.js';
import { prepareSchema, type StoreIdentity } from './schema.js';
import { SegmentFiles } from './segment-files.js';
import { ScopeSums } from './scope-sums.js';
import { StatusTable } from './status-table.js';
import { StoreClaims } from './store-claims.js';
import type { StoreDisk } from './store-disk.js';
import { allowListFile, crlFile, storeFiles } from './store-files.js';
import { storeFault } from './store-fault.js';
import { TenantTable } from './tenant-table.js';

export interface CoreOptions {
  readonly directory: string;
  readonly disk: StoreDisk;
  /** A segment file is left for a new one at this length, in octets. */
  readonly segmentFileBytes: number;
  /** When the store was opened: that of a restore, where it is one. */
  readonly openedAtMs: number;
  /** What seals the rows of CRLs, and checks them; absent: neither. */
  readonly statusSecret?: Uint8Array | undefined;
  /** Changes that were seen, by scope; is added to, and given again where the store is opened anew. */
  readonly seenChanges?: Map<string, number>;
  /** Whether segment files may be missing or cut short. */
  readonly allowsDamage: boolean;
}

/** Everything of an open store that its thread works with. */
export interface StoreCore {
  readonly directory: string;
  readonly db: DatabaseSync;
  readonly identity: StoreIdentity;
  readonly tenants: TenantTable;
  readonly profiles: ProfileTable;
  readonly orders: OrderTable;
  readonly batches: BatchTable;
  readonly chunks: ChunkTable;
  readonly deadLetters: DeadLetterTable;
  readonly jobs: JobTable;
  readonly statuses: StatusTable;
  readonly revocations: RevocationTable;
  readonly crls: CrlTable;
  readonly audit: AuditTable;
  readonly massOperations: MassOperationTable;
  readonly claims: StoreClaims;
  readonly claimRuns: JournaledRuns<PackedMap>;
  readonly indexRuns: JournaledRuns<PackedMultiMap>;
  readonly segments: SegmentFiles;
  readonly allowLists: OpenAllowLists;
  readonly runWriter: RunWriter;
}

const pageCacheBytes = 8 * 1024 * 1024;
/** One list of 5 M devices takes 70 MB. */
const allowListIndexBytes = 160 * 1024 * 1024;

/**
 * Opens a store, or makes one. Reads no certificate: run lists, filters and the journals' tail only.
 * Faults: DATA_FORMAT_UNSUPPORTED, FAULT_STORE_CORRUPT, FAULT_STORE_DOWN, FAULT_DISK_FULL.
 */
export async function openCore(options: CoreOptions): Promise<StoreCore> {
  const { directory, disk } = options;
  const files = storeFiles(directory);
  const runWriter = startRunWriter();
  let db: DatabaseSync | undefined;
  try {
    for (const folder of [
      files.segments,
      files.claims,
      files.index,
      files.allowLists,
      files.crls,
    ]) {
      mkdirSync(folder, { recursive: true });
    }
    db = new DatabaseSync(files.database, { timeout: 0 });
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;
      PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000;`);
    disk.prepareDatabase?.(db);
    const identity = prepareSchema(db, files.database, options.openedAtMs);
    // What a transaction makes durable is no use in a folder whose name is not.
    disk.syncDirectory(directory);
    disk.syncDirectory(dirname(directory));
    const pageCache = new PageCache(pageCacheBytes);
    const shared = { db, writer: runWriter, pageCache };
    const claimRuns = await JournaledRuns.open(
      { ...shared, name: 'claims', directory: files.claims },
      (runs) => new PackedMap(runs),
    );
    const indexRuns = await JournaledRuns.open(
      { ...shared, name: 'index', directory: files.index },
      (runs) => new PackedMultiMap(runs),
    );
    const segments = new SegmentFiles(
      files.segments,
      disk,
      options.segmentFileBytes,
      recordedLengths(db),
      options.allowsDamage,
    );
    const batches = new BatchTable(db);
    const chunks = new ChunkTable(db, batches);
    const orders = new OrderTable(db);
    const { statusSecret } = options;
    const sums = statusSecret === undefined ? undefined : new ScopeSums(statusSecret);
    return {
      directory,
      db,
      identity,
      tenants: new TenantTable(db),
      profiles: new ProfileTable(db),
      orders,
      batches,
      chunks,
      deadLetters: new DeadLetterTable(db, batches, chunks),
      jobs: new JobTable(db),
      statuses: new StatusTable(db),
      revocations: new RevocationTable(db, sums, options.seenChanges),
      crls: new CrlTable(db, sums),
      audit: new AuditTable(db),
      massOperations: new MassOperationTable(db),
      claims: new StoreClaims(new RequestKeys(identity.keySecret), claimRuns, indexRuns),
      claimRuns,
      indexRuns,
      segments,
      allowLists: new OpenAllowLists(allowListIndexBytes, pageCache),
      runWriter,
    };
  } catch (error) {
    await runWriter.stop();
    db?.close();
    throw storeFault(error, `open the store ${directory}`);
  }
}

/** Lets go of files and threads; what was acknowledged is durable already. */
export async function closeCore(core: StoreCore): Promise<void> {
  await core.runWriter.stop();
  core.segments.close();
  core.allowLists.closeAll();
  await core.claimRuns.runs.close();
  await core.indexRuns.runs.close();
  core.db.close();
}

export function recordedLengths(db: DatabaseSync): Map<number, number> {
  const rows = db.prepare('SELECT file, length FROM segment_files').all();
  return new Map(rows.map((row) => [numberIn(row, 'file'), numberIn(row, 'length')]));
}

/**
 * Removes allow-lists and CRLs that did not get as far as being in force, and those that were replaced.
 * Only before the first call: from then on one may be about to be.
 */
export function removeUnusedFiles({ directory, orders, crls }: StoreCore): void {
  const files = storeFiles(directory);
  const lists = orders.allowListIds().map((id) => allowListFile(directory, id));
  removeOthers(files.allowLists, lists);
  removeOthers(
    files.crls,
    crls.files().map(({ fileId }) => crlFile(directory, fileId)),
  );
}

function removeOthers(folder: string, used: readonly string[]): void {
  const names = new Set(used.map((path) => basename(path)));
  for (const name of readdirSync(folder)) {
    if (!names.has(name)) unlinkSync(join(folder, name));
  }
}
