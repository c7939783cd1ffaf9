import { join } from 'node:path';
import type { CertmillError } from '@certmill/domain';
import type { StatusSeals } from '@certmill/pipeline';
import { defaultMaxDevices, PageCache, startRunWriter } from '@certmill/packed';
import type { Clock } from '@certmill/ports';
import { Profiles, Tenants } from './accounts/accounts.js';
import { Orders } from './accounts/orders.js';
import { AllowListBlobs } from './allow-lists/allow-list-blobs.js';
import { AllowLists } from './allow-lists/allow-lists.js';
import { LocalLists } from './allow-lists/local-lists.js';
import { AuditTrail } from './audit-trail.js';
import { Batches } from './batches/batches.js';
import { Buckets } from './batches/buckets.js';
import { Registrations } from './batches/registrations.js';
import { Certificates } from './certificates/certificates.js';
import { Segments } from './certificates/segments.js';
import { OcspDocuments } from './certificates/ocsp-documents.js';
import { Statuses } from './certificates/statuses.js';
import { Verdicts } from './certificates/verdicts.js';
import { collectionsOf, type Collections } from './collections.js';
import {
  openMongoConnection,
  type MongoConnection,
  type MongoConnectionOptions,
} from './connection/open-client.js';
import { IssuanceTime } from './issuance-time.js';
import { Crls } from './crls/crls.js';
import { JournalCollections } from './journal-collections.js';
import type { ClaimJournalOptions, JournalObserver } from './journal/claim-journal.js';
import { startClaimJournal } from './journal/start-claim-journal.js';
import { ListingKeys } from './listing-keys.js';
import { MassOperations } from './mass-operations.js';
import { readMeta, type MetaDocument } from './meta.js';
import { MongoStore, type StoreParts } from './mongo-store.js';
import { MarksInMemory, ScopeSeals, type StatusMarks } from './revocations/scope-seals.js';
import { Revocations } from './revocations/revocations.js';
import { UsedApprovalDocuments } from './used-approvals.js';

export interface MongoStoreOptions extends MongoConnectionOptions {
  readonly clock: Clock;
  /** Of this process alone, for what can be made again: it is emptied. */
  readonly cacheDirectory: string;
  /** 0 to 1: spreads the tries of those who wait for each other. Default Math.random. */
  readonly random?: () => number;
  /** Of one allow-list: bounds the memory of its import. Default 20,000,000. */
  readonly maxAllowListDevices?: number;
  /**
   * What allow-lists that are in use have in memory, 14 octets a device (both of its ids); one alone may have
   * more. Default 256 MiB.
   */
  readonly allowListIndexBytes?: number;
  /**
   * Told the latest time that any process pinned, whenever this one pins one. A fault that it throws
   * is that of the registration.
   */
  readonly onIssuanceTime?: (atMs: number) => void;
  /** Told of faults that no caller waits for: what could be passed over was. */
  readonly onFault?: (fault: CertmillError) => void;
  /**
   * What seals the log of status changes, and checks it wherever it is read (ADR 0035); absent: neither,
   * and whoever checks refuses what was written so.
   */
  readonly statusSeals?: StatusSeals;
  /** What was seen of it; in memory where absent. */
  readonly statusMarks?: StatusMarks;
  /** Told what the journal of claims does, for metrics; its faults go to `onFault`. */
  readonly journalObserver?: Omit<JournalObserver, 'fault'>;
  /** For whoever changes the store as a whole: services MUST NOT work in it meanwhile. */
  readonly isForChange?: boolean;
  /** Of the journal's views and snapshots. */
  readonly journalLimits?: Pick<
    ClaimJournalOptions,
    'flushEntries' | 'snapshotEntries' | 'snapshotRequests' | 'graceMs'
  >;
}

const defaultAllowListIndexBytes = 256 * 1024 * 1024;
/** Of absent keys nothing is read: filters say so. */
const journalCacheBytes = 8 * 1024 * 1024;

/**
 * Opens the store that `initCollections` made. Faults: CONFIG_INVALID (it did not, or the connection's
 * settings are wrong), DATA_FORMAT_UNSUPPORTED, FAULT_STORE_DOWN.
 */
export async function openMongoStore(options: MongoStoreOptions): Promise<MongoStore> {
  const connection = await openMongoConnection(options);
  try {
    const collections = collectionsOf(connection.db, connection.calls);
    const meta = await readMeta(collections, options.isForChange);
    return new MongoStore(await partsOf(options, connection, collections, meta));
  } catch (error) {
    await connection.close().catch(() => undefined);
    throw error;
  }
}

async function partsOf(
  options: MongoStoreOptions,
  connection: MongoConnection,
  collections: Collections,
  meta: MetaDocument,
): Promise<StoreParts> {
  const { clock, cacheDirectory, isReadOnly = false } = options;
  const random = options.random ?? Math.random;
  const listingKeys = new ListingKeys(clock);
  const issuanceTime = new IssuanceTime(collections.issuanceTime, options.onIssuanceTime);
  const buckets = new Buckets(collections.buckets, random);
  const batches = new Batches(collections.batches, buckets, listingKeys, clock);
  const orders = new Orders(collections, listingKeys);
  const segments = new Segments(collections.segments);
  const statuses = new Statuses(collections.statuses, isReadOnly);
  const blobs = new AllowListBlobs(collections.allowLists);
  const { allowListIndexBytes = defaultAllowListIndexBytes } = options;
  const local = await LocalLists.open(
    join(cacheDirectory, 'allow-lists'),
    blobs,
    allowListIndexBytes,
  );
  const runWriter = startRunWriter();
  const journal = startClaimJournal({
    ...options.journalLimits,
    storage: new JournalCollections(collections),
    shards: meta.shards,
    secret: meta.secret,
    cacheDirectory,
    endsOf: (chunks) => segments.terminals(chunks),
    isHeld: (requests) => statuses.areOnHold(requests),
    runWriter,
    pageCache: new PageCache(journalCacheBytes),
    observer: observerOf(options),
    clock,
    random,
  });
  const certificateParts = { batches, buckets, segments, statuses, journal, issuanceTime, clock };
  const seals =
    options.statusSeals &&
    new ScopeSeals(options.statusSeals, options.statusMarks ?? new MarksInMemory());
  const revocations = new Revocations({
    isReadOnly,
    seals,
    scopes: collections.crlScopes,
    log: collections.crlLogs,
    blocks: collections.crlBlocks,
    crls: collections.crls,
    statuses,
    segments,
    findChunk: async (tenant, batchId, index) => {
      const found = await buckets.chunkAt(tenant, batchId, index);
      return found && { tenant, batchId, chunkNumber: found.chunkNumber };
    },
    releaseClaim: (chunk, index) => journal.releaseClaim(chunk, index),
    blockKey: (chunk, index) => journal.blockKey(chunk, index),
    clock,
    random,
  });
  if (isReadOnly) await revocations.applyAll();
  return {
    epoch: meta.epoch,
    tenants: new Tenants(collections),
    ocsp: new OcspDocuments(collections),
    profiles: new Profiles(collections),
    orders,
    allowLists: new AllowLists({
      orders,
      orderDocuments: collections.orders,
      blobs,
      local,
      clock,
      maxDevices: options.maxAllowListDevices ?? defaultMaxDevices,
    }),
    batches,
    buckets,
    registrations: new Registrations(batches, buckets, issuanceTime),
    journal,
    verdicts: new Verdicts({ batches, buckets, orders, journal }),
    certificates: new Certificates(certificateParts),
    revocations,
    audit: new AuditTrail(collections.audit, random),
    crls: new Crls({
      seals,
      crls: collections.crls,
      pieces: collections.crlPieces,
      onPut: (crl) => revocations.noteCrl(crl),
    }),
    massOperations: new MassOperations(collections, listingKeys, clock),
    approvals: new UsedApprovalDocuments(collections.approvals),
    close: async (timeoutMs) => {
      // First: what still waits for the server, the journal too, need not be waited for.
      connection.calls.abandon();
      await journal.stop(timeoutMs);
      await runWriter.stop();
      local.close();
      await connection.close().catch(() => undefined);
    },
  };
}

function observerOf({ journalObserver, onFault }: MongoStoreOptions): JournalObserver {
  const nothing = (): void => undefined;
  return {
    folded: nothing,
    conflict: nothing,
    ignored: nothing,
    ...journalObserver,
    fault: onFault ?? nothing,
  };
}
