import type {
  AuditEntry,
  Batch,
  BatchId,
  ChunkRef,
  Credential,
  ChunkOutcome,
  FrozenBatch,
  MassOperation,
  Order,
  OrderId,
  TenantId,
} from '@certmill/domain';
import type {
  AllowListQuery,
  AllowListRow,
  AllowListStore,
  ApprovalLedger,
  AuditStore,
  BatchStore,
  CertificateStore,
  ChunkRegistration,
  ChangedScopesPage,
  CrlScope,
  ScopeFollower,
  CrlStore,
  DeadLetterCause,
  Decision,
  OcspStore,
  FrozenSelectionName,
  OutcomeQuery,
  MassOperationStore,
  OrderStore,
  PageRequest,
  ProfileStore,
  RevocationStore,
  StatusChange,
  Stoppable,
  StoredCrl,
  StoredProfile,
  TenantStore,
  TerminalChunk,
  UsedApprovals,
  VerdictStore,
} from '@certmill/ports';
import { registrationOf } from './batches/bucket-document.js';
import { confirming } from './batches/chunk-changes.js';
import { CallsInHand } from './connection/calls-in-hand.js';
import type { Profiles, Tenants } from './accounts/accounts.js';
import type { Orders } from './accounts/orders.js';
import type { AllowLists } from './allow-lists/allow-lists.js';
import type { AuditTrail } from './audit-trail.js';
import type { Batches } from './batches/batches.js';
import type { Buckets } from './batches/buckets.js';
import type { Registrations } from './batches/registrations.js';
import type { Certificates } from './certificates/certificates.js';
import type { OcspDocuments } from './certificates/ocsp-documents.js';
import type { Verdicts } from './certificates/verdicts.js';
import type { Crls } from './crls/crls.js';
import type { ClaimJournal } from './journal/claim-journal.js';
import type { MassOperations } from './mass-operations.js';
import type { Revocations } from './revocations/revocations.js';
import type { UsedApprovalDocuments } from './used-approvals.js';

/** What a store is made of. */
export interface StoreParts {
  readonly epoch: Uint8Array;
  readonly tenants: Tenants;
  readonly ocsp: OcspDocuments;
  readonly profiles: Profiles;
  readonly orders: Orders;
  readonly allowLists: AllowLists;
  readonly batches: Batches;
  readonly buckets: Buckets;
  readonly registrations: Registrations;
  readonly journal: ClaimJournal;
  readonly verdicts: Verdicts;
  readonly certificates: Certificates;
  readonly revocations: Revocations;
  readonly audit: AuditTrail;
  readonly crls: Crls;
  readonly massOperations: MassOperations;
  readonly approvals: UsedApprovalDocuments;
  /** Ends what is still in hand with FAULT_STOPPING. */
  readonly close: (timeoutMs: number) => Promise<void>;
}

/**
 * The store ports on MongoDB (ADR 0012), for any number of processes at once. Every effect is durable
 * on a majority when its promise resolves; a call that fails may have had it, and is repeated.
 *
 * Byte arrays given MUST NOT change until the call settles; those returned are the caller's. Any call
 * may fail with FAULT_STORE_DOWN, FAULT_DISK_FULL (retry), FAULT_STORE_CORRUPT (halt) or, after `stop`,
 * FAULT_STOPPING.
 */
export class MongoStore
  implements
    TenantStore,
    ProfileStore,
    OrderStore,
    AllowListStore,
    BatchStore,
    VerdictStore,
    CertificateStore,
    RevocationStore,
    AuditStore,
    CrlStore,
    MassOperationStore,
    ApprovalLedger,
    Stoppable
{
  readonly #parts: StoreParts;
  readonly #inHand = new CallsInHand();
  #stopped: Promise<void> | undefined;

  constructor(parts: StoreParts) {
    this.#parts = parts;
  }

  /** Pre-signed responses; its calls fail as the store's own do. */
  get ocsp(): OcspStore {
    return this.#parts.ocsp;
  }

  stop(timeoutMs: number): Promise<void> {
    this.#stopped ??= this.#stop(timeoutMs);
    return this.#stopped;
  }

  /**
   * Stores views of the journal that have grown long tails, for the processes that begin (a job's
   * work). Resolves to how many.
   */
  snapshotJournal(): Promise<number> {
    return this.#inHand.run(async () => {
      const { journal } = this.#parts;
      let made = 0;
      for (const shard of await journal.snapshotsDue()) {
        if (await journal.snapshot(shard)) made += 1;
      }
      return made;
    });
  }

  createTenant(tenant: TenantId, createdAtMs: number) {
    return this.#inHand.run(() => this.#parts.tenants.createTenant(tenant, createdAtMs));
  }

  hasTenant(tenant: TenantId) {
    return this.#inHand.run(() => this.#parts.tenants.hasTenant(tenant));
  }

  listTenants(page: PageRequest) {
    return this.#inHand.run(() => this.#parts.tenants.listTenants(page));
  }

  addCredential(credential: Credential) {
    return this.#inHand.run(() => this.#parts.tenants.addCredential(credential));
  }

  findCredential(keyHash: string) {
    return this.#inHand.run(() => this.#parts.tenants.findCredential(keyHash));
  }

  listCredentials(tenant: TenantId) {
    return this.#inHand.run(() => this.#parts.tenants.listCredentials(tenant));
  }

  removeCredential(tenant: TenantId, keyHash: string) {
    return this.#inHand.run(() => this.#parts.tenants.removeCredential(tenant, keyHash));
  }

  addProfile(profile: StoredProfile) {
    return this.#inHand.run(() => this.#parts.profiles.addProfile(profile));
  }

  addProfileToAll(profile: Omit<StoredProfile, 'tenant'>) {
    return this.#inHand.run(() => this.#parts.profiles.addProfileToAll(profile));
  }

  getProfile(tenant: TenantId, hash: string) {
    return this.#inHand.run(() => this.#parts.profiles.getProfile(tenant, hash));
  }

  findProfile(tenant: TenantId, name: string) {
    return this.#inHand.run(() => this.#parts.profiles.findProfile(tenant, name));
  }

  listProfiles(tenant: TenantId, page: PageRequest) {
    return this.#inHand.run(() => this.#parts.profiles.listProfiles(tenant, page));
  }

  createOrder(order: Order) {
    return this.#inHand.run(() => this.#parts.orders.createOrder(order));
  }

  getOrder(tenant: TenantId, orderId: OrderId) {
    return this.#inHand.run(() => this.#parts.orders.getOrder(tenant, orderId));
  }

  listOrders(tenant: TenantId, page: PageRequest) {
    return this.#inHand.run(() => this.#parts.orders.listOrders(tenant, page));
  }

  closeOrder(tenant: TenantId, orderId: OrderId, atMs: number) {
    return this.#inHand.run(() => this.#parts.orders.closeOrder(tenant, orderId, atMs));
  }

  reservedUnder(tenant: TenantId, orderId: OrderId) {
    return this.#inHand.run(() => this.#parts.journal.reservedUnder(tenant, orderId));
  }

  importAllowList(tenant: TenantId, orderId: OrderId, rows: AsyncIterable<AllowListRow>) {
    return this.#inHand.run(() => this.#parts.allowLists.importAllowList(tenant, orderId, rows));
  }

  lookUp(tenant: TenantId, orderId: OrderId, queries: readonly AllowListQuery[]) {
    return this.#inHand.run(() => this.#parts.allowLists.lookUp(tenant, orderId, queries));
  }

  storeEpoch() {
    // It cannot change while the store is open.
    return this.#inHand.run(() => Promise.resolve(new Uint8Array(this.#parts.epoch)));
  }

  openBatch(batch: Batch) {
    return this.#inHand.run(() => this.#parts.batches.openBatch(batch));
  }

  findTenant(batchId: BatchId) {
    return this.#inHand.run(() => this.#findTenant(batchId));
  }

  getBatch(tenant: TenantId, batchId: BatchId) {
    return this.#inHand.run(() => this.#parts.batches.getBatch(tenant, batchId));
  }

  listBatches(tenant: TenantId, orderId: OrderId, page: PageRequest) {
    return this.#inHand.run(() => this.#parts.batches.listBatches(tenant, orderId, page));
  }

  registerChunk(registration: ChunkRegistration) {
    return this.#inHand.run(() => this.#parts.registrations.register(registration));
  }

  getRegistration(chunk: ChunkRef) {
    return this.#inHand.run(async () => {
      const pinned = await this.#parts.buckets.pinned(chunk);
      return pinned && registrationOf(chunk, pinned);
    });
  }

  confirmChunk(chunk: ChunkRef): Promise<void> {
    return this.#inHand.run(async () => {
      await this.#parts.buckets.change(chunk, confirming(chunk));
    });
  }

  completeUpload(tenant: TenantId, batchId: BatchId, total: number, atMs: number) {
    const { batches, registrations } = this.#parts;
    return this.#inHand.run(() =>
      batches.completeUpload(
        tenant,
        batchId,
        total,
        atMs,
        registrations.lastBucket(tenant, batchId),
      ),
    );
  }

  cancelBatch(tenant: TenantId, batchId: BatchId, atMs: number) {
    return this.#inHand.run(() => this.#parts.batches.cancelBatch(tenant, batchId, atMs));
  }

  /** After a restore. Idempotent; nothing where it is cancelled, or nothing of it can change any more. */
  breakOffBatch(tenant: TenantId, batchId: BatchId, atMs: number): Promise<void> {
    return this.#inHand.run(() => this.#parts.batches.breakOffBatch(tenant, batchId, atMs));
  }

  getVerdict(chunk: ChunkRef) {
    return this.#inHand.run(() => this.#parts.verdicts.getVerdict(chunk));
  }

  decide(decision: Decision) {
    return this.#inHand.run(() => this.#parts.verdicts.decide(decision));
  }

  publish(terminal: TerminalChunk) {
    return this.#inHand.run(() => this.#parts.certificates.publish(terminal));
  }

  chunkState(chunk: ChunkRef) {
    return this.#inHand.run(() => this.#parts.certificates.chunkState(chunk));
  }

  markDeadLettered(chunk: ChunkRef, cause: DeadLetterCause) {
    return this.#inHand.run(() => this.#parts.certificates.markDeadLettered(chunk, cause));
  }

  retryDeadLetter(chunk: ChunkRef, atMs: number) {
    return this.#inHand.run(() => this.#parts.certificates.retryDeadLetter(chunk, atMs));
  }

  getDeadLetter(chunk: ChunkRef) {
    return this.#inHand.run(() => this.#parts.certificates.getDeadLetter(chunk));
  }

  listDeadLetters(tenant: TenantId, batchId: BatchId, page: PageRequest) {
    return this.#inHand.run(() => this.#parts.certificates.listDeadLetters(tenant, batchId, page));
  }

  getSegment(chunk: ChunkRef) {
    return this.#inHand.run(() => this.#parts.certificates.getSegment(chunk));
  }

  findChunk(tenant: TenantId, batchId: BatchId, index: number) {
    return this.#inHand.run(() => this.#parts.certificates.findChunk(tenant, batchId, index));
  }

  findByUdid(tenant: TenantId, udid: Uint8Array, limit: number) {
    return this.#inHand.run(() => this.#parts.certificates.findByUdid(tenant, udid, limit));
  }

  findByDevice(tenant: TenantId, deviceId: string, limit: number) {
    return this.#inHand.run(() => this.#parts.certificates.findByDevice(tenant, deviceId, limit));
  }

  placesOf(tenant: TenantId, devices: readonly AllowListQuery[], limit: number) {
    return this.#inHand.run(() => this.#parts.certificates.placesOf(tenant, devices, limit));
  }

  claimsOf(tenant: TenantId, profileName: string, devices: readonly AllowListQuery[]) {
    return this.#inHand.run(() => this.#parts.certificates.claimsOf(tenant, profileName, devices));
  }

  getStatus(tenant: TenantId, batchId: BatchId, index: number) {
    return this.#inHand.run(() => this.#parts.certificates.getStatus(tenant, batchId, index));
  }

  listStatuses(tenant: TenantId, batchId: BatchId, firstIndex: number, count: number) {
    return this.#inHand.run(() =>
      this.#parts.certificates.listStatuses(tenant, batchId, firstIndex, count),
    );
  }

  changeStatuses(changes: readonly StatusChange[]) {
    return this.#inHand.run(() => this.#parts.revocations.changeStatuses(changes));
  }

  countChanges(scope: CrlScope) {
    return this.#inHand.run(() => this.#parts.revocations.countChanges(scope));
  }

  listRevoked(scope: CrlScope, page: Parameters<RevocationStore['listRevoked']>[1]) {
    return this.#inHand.run(() => this.#parts.revocations.listRevoked(scope, page));
  }

  listChangedScopes(follower: ScopeFollower, page: ChangedScopesPage) {
    return this.#inHand.run(() => this.#parts.revocations.listChangedScopes(follower, page));
  }

  notePresigned(scope: CrlScope, changes: number) {
    return this.#inHand.run(() => this.#parts.revocations.notePresigned(scope, changes));
  }

  countPresigned(scope: CrlScope) {
    return this.#inHand.run(() => this.#parts.revocations.countPresigned(scope));
  }

  appendAudit(entry: AuditEntry) {
    return this.#inHand.run(() => this.#parts.audit.appendAudit(entry));
  }

  listAudit(page: Parameters<AuditStore['listAudit']>[0]) {
    return this.#inHand.run(() => this.#parts.audit.listAudit(page));
  }

  putCrl(crl: StoredCrl, replaces: bigint | undefined): Promise<boolean> {
    return this.#inHand.run(() => this.#parts.crls.putCrl(crl, replaces));
  }

  getCrl(scope: CrlScope, kind: StoredCrl['kind']): Promise<StoredCrl | undefined> {
    return this.#inHand.run(() => this.#parts.crls.getCrl(scope, kind));
  }

  describeCrl(scope: CrlScope, kind: StoredCrl['kind']) {
    return this.#inHand.run(() => this.#parts.crls.describeCrl(scope, kind));
  }

  putFrozenPage(frozen: FrozenSelectionName, page: number, batches: readonly FrozenBatch[]) {
    return this.#inHand.run(() => this.#parts.massOperations.putFrozenPage(frozen, page, batches));
  }

  dropFrozen(frozen: FrozenSelectionName) {
    return this.#inHand.run(() => this.#parts.massOperations.dropFrozen(frozen));
  }

  addOperation(operation: MassOperation) {
    return this.#inHand.run(() => this.#parts.massOperations.addOperation(operation));
  }

  getOperation(tenant: TenantId, operationId: string) {
    return this.#inHand.run(() => this.#parts.massOperations.getOperation(tenant, operationId));
  }

  frozenPage(frozen: FrozenSelectionName, page: number) {
    return this.#inHand.run(() => this.#parts.massOperations.frozenPage(frozen, page));
  }

  listOperations(tenant: TenantId, page: PageRequest) {
    return this.#inHand.run(() => this.#parts.massOperations.listOperations(tenant, page));
  }

  listRunning(page: PageRequest) {
    return this.#inHand.run(() => this.#parts.massOperations.listRunning(page));
  }

  saveOperation(operation: MassOperation, expectedVersion: number, outcome?: ChunkOutcome) {
    return this.#inHand.run(() =>
      this.#parts.massOperations.saveOperation(operation, expectedVersion, outcome),
    );
  }

  listOutcomes(operation: Pick<MassOperation, 'tenant' | 'operationId'>, which: OutcomeQuery) {
    return this.#inHand.run(() => this.#parts.massOperations.listOutcomes(operation, which));
  }

  findUse(operationId: string) {
    return this.#inHand.run(() => this.#parts.approvals.findUse(operationId));
  }

  useApprovals(used: UsedApprovals) {
    return this.#inHand.run(() => this.#parts.approvals.useApprovals(used));
  }

  lastIssuanceMs() {
    return this.#inHand.run(() => this.#parts.certificates.lastIssuanceMs());
  }

  /** By the tenants' keys of the batch, some hundred in a look: an index by batch would be one more write each. */
  async #findTenant(batchId: BatchId): Promise<TenantId | undefined> {
    const { tenants, batches } = this.#parts;
    for (let cursor: string | undefined, more = true; more;) {
      const page = await tenants.listTenants({
        limit: 500,
        ...(cursor === undefined ? {} : { cursor }),
      });
      const owner = await batches.ownerOf(page.items, batchId);
      if (owner !== undefined) return owner;
      cursor = page.next;
      more = cursor !== undefined;
    }
    return undefined;
  }

  async #stop(timeoutMs: number): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    const left = (): number => Math.max(0, deadlineMs - performance.now());
    await this.#inHand.stop(left());
    await this.#parts.close(left());
  }
}
