import type {
  Batch,
  BatchId,
  CertificateStatus,
  ChainedAuditEntry,
  Credential,
  ChunkOutcome,
  FrozenBatch,
  MassOperation,
  Order,
  TenantId,
} from '@certmill/domain';
import type { StatusSeals } from '@certmill/pipeline';
import type { Clock, CrlScope, Stoppable, StoredProfile, UsedApprovals } from '@certmill/ports';
import { profileDocument } from '../accounts/accounts.js';
import { orderKey, type OrderDocument } from '../accounts/orders.js';
import { AllowListBlobs } from '../allow-lists/allow-list-blobs.js';
import { auditDocumentOf } from '../audit-trail.js';
import { batchKey } from '../batches/batch-document.js';
import { Segments, endsOf, type SegmentToStore } from '../certificates/segments.js';
import { statusKey, Statuses } from '../certificates/statuses.js';
import { collectionsOf, type Collections } from '../collections.js';
import {
  openMongoConnection,
  type MongoConnection,
  type MongoConnectionOptions,
} from '../connection/open-client.js';
import { IssuanceTime } from '../issuance-time.js';
import { JournalCollections } from '../journal-collections.js';
import { ListingKeys } from '../listing-keys.js';
import { MassOperations } from '../mass-operations.js';
import { readMeta } from '../meta.js';
import { MarksInMemory, ScopeSeals } from '../revocations/scope-seals.js';
import { UsedApprovalDocuments } from '../used-approvals.js';
import { BatchImport, type ImportedChunk } from './batch-import.js';
import { assertFresh, beginMigration, endChange } from './change-store.js';
import { RevocationImport } from './revocation-import.js';
import { JournalImport } from './journal-import.js';

/** An order with the list that is in force for it. */
export interface ImportedOrder {
  readonly order: Order;
  /** The packed list; where the order names one. */
  readonly allowListFile?: string;
}

const segmentsAtOnce = 8;

/**
 * Opens a fresh store to fill it. Faults: those of `openMongoStore`.
 */
export async function openStoreImport(
  options: MongoConnectionOptions & { readonly clock: Clock; readonly statusSeals: StatusSeals },
): Promise<StoreImport> {
  const connection = await openMongoConnection(options);
  try {
    const collections = collectionsOf(connection.db, connection.calls);
    await readMeta(collections, true);
    return new StoreImport(connection, collections, options.clock, options.statusSeals);
  } catch (error) {
    await connection.close().catch(() => undefined);
    throw error;
  }
}

/**
 * Fills a fresh store with what was made elsewhere. Every call inserts where nothing is and may be made
 * again; orders, batches and operations come in the order in which they were made, each time all of them.
 */
export class StoreImport implements Stoppable {
  readonly #connection: MongoConnection;
  readonly #collections: Collections;
  readonly #clock: Clock;
  readonly #seals: ScopeSeals;
  readonly #segments: Segments;
  readonly #statuses: Statuses;
  readonly #allowLists: AllowListBlobs;
  readonly #massOperations: MassOperations;
  readonly #listingTime = { ms: 0 };
  readonly #listingKeys = new ListingKeys({ nowMs: () => this.#listingTime.ms });

  constructor(
    connection: MongoConnection,
    collections: Collections,
    clock: Clock,
    statusSeals: StatusSeals,
  ) {
    this.#seals = new ScopeSeals(statusSeals, new MarksInMemory());
    this.#connection = connection;
    this.#collections = collections;
    this.#clock = clock;
    this.#segments = new Segments(collections.segments);
    this.#statuses = new Statuses(collections.statuses);
    this.#allowLists = new AllowListBlobs(collections.allowLists);
    this.#massOperations = new MassOperations(collections, this.#listingKeys, clock);
  }

  /** Whether the store may be filled. Faults: CONFLICT. */
  assertFresh(): Promise<void> {
    return assertFresh(this.#collections);
  }

  /** As `beginMigration`. */
  begin(source: string, epoch: Uint8Array): Promise<'begun' | 'ended'> {
    return beginMigration(this.#collections, { source, epoch, atMs: this.#clock.nowMs() });
  }

  /** Services may work in it. */
  async end(source: string): Promise<void> {
    await endChange(this.#collections, source, this.#clock.nowMs());
  }

  async putTenant(tenant: TenantId, createdAtMs: number): Promise<void> {
    await this.#collections.tenants.insert({ _id: tenant, createdAtMs });
  }

  async putCredential({ keyHash, ...credential }: Credential): Promise<void> {
    await this.#collections.credentials.insert({ _id: keyHash, ...credential });
  }

  /** In place of one that `fleet init` made: orders name this one. */
  async putProfile(profile: StoredProfile): Promise<void> {
    await this.#collections.profiles.put(profileDocument(profile));
  }

  async putOrder({ order, allowListFile }: ImportedOrder): Promise<void> {
    const { orders } = this.#collections;
    const listedAs = this.#nextListingKey(order.createdAtMs);
    const { tenant, orderId, allowListId: listId } = order;
    const _id = orderKey(tenant, orderId);
    if ((await orders.get(_id, ['_id'])) !== undefined) return;
    const document: OrderDocument = { _id, ...order, listedAs };
    if (listId === undefined || allowListFile === undefined) {
      await orders.insert(document);
      return;
    }
    const list = { tenant, orderId, listId };
    const proof = await this.#allowLists.upload(list, allowListFile, () => Promise.resolve());
    await orders.insert({ ...document, allowListFile: proof });
  }

  async hasBatch(tenant: TenantId, batchId: BatchId): Promise<boolean> {
    return (await this.#collections.batches.get(batchKey(tenant, batchId), ['_id'])) !== undefined;
  }

  /** Its chunks with their segments come first; nothing of them is read where it is there. */
  async putBatch(
    batch: Batch,
    chunks: () => AsyncIterable<Omit<ImportedChunk, 'ends'> & { segment?: SegmentToStore }>,
  ): Promise<void> {
    const listedAs = this.#nextListingKey(batch.createdAtMs);
    if (await this.hasBatch(batch.tenant, batch.batchId)) return;
    const { buckets, batches } = this.#collections;
    const made = new BatchImport(batch);
    let waiting: SegmentToStore[] = [];
    for await (const { segment, ...chunk } of chunks()) {
      const ends = segment === undefined ? {} : { ends: endsOf(segment) };
      if (segment !== undefined) waiting.push(segment);
      if (waiting.length >= segmentsAtOnce) {
        await this.#putSegments(waiting);
        waiting = [];
      }
      const full = made.add({ ...chunk, ...ends });
      if (full !== undefined) await buckets.insert(full);
    }
    await this.#putSegments(waiting);
    const last = made.finish();
    if (last !== undefined) await buckets.insert(last);
    await batches.insert(made.document(listedAs));
  }

  /** For the decisions, after the batches. */
  async journal(): Promise<JournalImport> {
    const meta = await readMeta(this.#collections, true);
    return new JournalImport(new JournalCollections(this.#collections), meta);
  }

  putStatus(
    tenant: TenantId,
    batchId: BatchId,
    index: number,
    status: CertificateStatus,
  ): Promise<void> {
    return this.#statuses.putNewer(new Map([[statusKey(tenant, batchId, index), status]]), 0);
  }

  /** For the rows of one scope, all of them. */
  revocations(scope: CrlScope): RevocationImport {
    return new RevocationImport(this.#collections, scope, this.#clock.nowMs(), this.#seals);
  }

  /** In its place of the chain. */
  async putAuditEntry(entry: ChainedAuditEntry): Promise<void> {
    await this.#collections.audit.insert(auditDocumentOf(entry));
  }

  /** With its frozen selection, and what became of it. */
  async putMassOperation(
    operation: MassOperation,
    frozenPages: AsyncIterable<readonly FrozenBatch[]>,
    outcomes: AsyncIterable<ChunkOutcome>,
  ): Promise<void> {
    this.#listingTime.ms = operation.createdAtMs;
    let page = 0;
    for await (const batches of frozenPages) {
      await this.#massOperations.putFrozenPage(operation, page, batches);
      page += 1;
    }
    for await (const outcome of outcomes) await this.#massOperations.putOutcome(operation, outcome);
    await this.#massOperations.addOperation(operation);
  }

  async putUsedApprovals(used: UsedApprovals): Promise<void> {
    await new UsedApprovalDocuments(this.#collections.approvals).useApprovals(used);
  }

  putIssuanceTime(atMs: number): Promise<void> {
    return new IssuanceTime(this.#collections.issuanceTime).pin(atMs);
  }

  async stop(): Promise<void> {
    await this.#connection.close().catch(() => undefined);
  }

  /** The same each time for the n-th document, but for what tells processes apart. */
  #nextListingKey(createdAtMs: number): string {
    this.#listingTime.ms = createdAtMs;
    return this.#listingKeys.next();
  }

  async #putSegments(segments: readonly SegmentToStore[]): Promise<void> {
    if (segments.length === 0) return;
    const haveEnded = await this.#segments.haveEnded(segments.map(({ chunk }) => chunk));
    const missing = segments.filter((_, i) => haveEnded[i] !== true);
    await Promise.all(missing.map((segment) => this.#segments.insert(segment)));
  }
}
