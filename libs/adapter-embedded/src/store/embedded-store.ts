import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  CertmillError,
  type AuditEntry,
  type Batch,
  type BatchId,
  type ChainedAuditEntry,
  type ChunkRef,
  type Credential,
  type ChunkOutcome,
  type FrozenBatch,
  type MassOperation,
  type Order,
  type OrderId,
  type StatusOutcome,
  type TenantId,
} from '@certmill/domain';
import type {
  AllowListQuery,
  AllowListRow,
  AllowListStore,
  AuditStore,
  BatchStore,
  CertificateStore,
  ChunkRegistration,
  Clock,
  CpuMeter,
  ChangedScopesPage,
  CrlScope,
  ScopeFollower,
  CrlStore,
  DeadLetterCause,
  Decision,
  Job,
  JobQueue,
  FrozenSelectionName,
  OutcomeQuery,
  MassOperationStore,
  OrderStore,
  PageRequest,
  ProfileStore,
  RevocationStore,
  RevokedCertificate,
  RevokedPageRequest,
  StatusChange,
  StoredCrl,
  StoredProfile,
  TenantStore,
  TerminalChunk,
  VerdictStore,
} from '@certmill/ports';
import { buildAllowList, defaultMaxDevices } from '@certmill/packed';
import { EmbeddedCrls } from './embedded-crls.js';
import { JobRunner } from './job-runner.js';
import { chunkRefOf, packDecision, packQueries, packTerminal, unpackRows } from './packed-calls.js';
import { unpackRevocations } from './packed-revocations.js';
import type { StoreReadOut } from './store-read-out.js';
import { StoreClient } from './store-client.js';
import { allowListFile } from './store-files.js';

export interface EmbeddedStoreOptions {
  /** Holds the store and nothing else; made where it is missing. One process at a time. */
  readonly directory: string;
  readonly clock: Clock;
  /** 0 to 1: spreads the retries of jobs. Default Math.random. */
  readonly random?: () => number;
  /** The pause after a job's first failure, doubled with each further one. Default 1,000. */
  readonly firstJobRetryMs?: number;
  /** A segment file is left for a new one at this length. Default 256 MiB. */
  readonly segmentFileBytes?: number;
  /** Of one allow-list: bounds the memory of its import. Default 20,000,000. */
  readonly maxAllowListDevices?: number;
  /** URL of a module whose `storeDisk` (StoreDisk) the store thread uses instead of node:fs. */
  readonly diskModule?: string;
  /**
   * Of the data folder: seals what is revoked, and checks it where it is listed (ADR 0035). Absent: neither;
   * what was changed without it is refused with it.
   */
  readonly statusSecret?: Uint8Array;
  /** For looking at a store (`viewEmbeddedStore`): segment files may be missing or cut short. */
  readonly allowsDamage?: boolean;
  /** Told of faults that no caller waits for, e.g. of a merge. */
  readonly onFault?: (fault: CertmillError) => void;
}

const defaultSegmentFileBytes = 256 * 1024 * 1024;
/** More are a mass revocation, which keeps nobody waiting. */
const maxUrgentChanges = 16;
/** Interactive batches whose chunks go first; older ones are done or past their deadline. */
const maxInteractiveBatches = 4_096;

/** Opens a store in its own thread, or makes one. Faults: those of `EmbeddedStore.open`. */
export function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  return EmbeddedStore.open(options);
}

/**
 * The store ports on one folder. A thread of its own does the work; a call costs this thread a
 * message with packed columns. Every effect is durable when its promise resolves.
 *
 * Byte arrays given are copied and stay the caller's; those returned are the caller's. Any call may
 * fail with FAULT_STORE_DOWN, FAULT_DISK_FULL (retry), FAULT_STORE_CORRUPT (halt) or, after `close`,
 * FAULT_STOPPING.
 */
export class EmbeddedStore
  implements
    TenantStore,
    ProfileStore,
    OrderStore,
    AllowListStore,
    BatchStore,
    VerdictStore,
    CertificateStore,
    RevocationStore,
    CrlStore,
    AuditStore,
    MassOperationStore,
    JobQueue,
    CpuMeter
{
  readonly #client: StoreClient;
  readonly #directory: string;
  readonly #crls: EmbeddedCrls;
  readonly #clock: Clock;
  readonly #maxAllowListDevices: number;
  readonly #jobs: JobRunner;
  readonly #interactive = new Set<BatchId>();
  #epoch: Uint8Array | undefined;

  private constructor(client: StoreClient, options: EmbeddedStoreOptions) {
    this.#client = client;
    this.#directory = options.directory;
    this.#crls = new EmbeddedCrls(client, options.directory);
    this.#clock = options.clock;
    this.#maxAllowListDevices = options.maxAllowListDevices ?? defaultMaxDevices;
    this.#jobs = new JobRunner({
      client,
      clock: options.clock,
      random: options.random ?? Math.random,
      ...(options.firstJobRetryMs === undefined ? {} : { firstRetryMs: options.firstJobRetryMs }),
    });
  }

  /**
   * Faults: DATA_FORMAT_UNSUPPORTED (made by a newer release), FAULT_STORE_CORRUPT,
   * FAULT_STORE_DOWN, FAULT_DISK_FULL.
   */
  static async open(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
    const client = await StoreClient.start(
      {
        directory: options.directory,
        segmentFileBytes: options.segmentFileBytes ?? defaultSegmentFileBytes,
        diskModule: options.diskModule,
        openedAtMs: options.clock.nowMs(),
        allowsDamage: options.allowsDamage ?? false,
        statusSecret: options.statusSecret && new Uint8Array(options.statusSecret),
      },
      options.onFault ?? (() => undefined),
    );
    return new EmbeddedStore(client, options);
  }

  /** Of the store thread. */
  cpuMicroseconds(): Promise<number> {
    return this.#client.cpuMicroseconds();
  }

  /** Stops jobs, ends what is in hand and the thread. Idempotent. */
  async close(): Promise<void> {
    await this.#jobs.stop();
    await this.#client.close();
  }

  /** Entries, runs and octets of the packed maps, and the number of chunks. */
  stats() {
    return this.#client.call('stats', []);
  }

  /**
   * Copies the store into an empty folder while it runs. A copy that is opened gets a new epoch.
   * Faults: CONFLICT where the folder is not empty.
   */
  backupTo(directory: string): Promise<void> {
    return this.#client.call('backUpTo', [directory]);
  }

  /** Everything that the store holds, for whoever carries it elsewhere; at rest it answers the same. */
  readOut(): StoreReadOut {
    const client = this.#client;
    return {
      survey: () => client.call('survey', []),
      orders: (afterSeq, limit) => client.call('readOrders', [afterSeq, limit]),
      batches: (afterSeq, limit) => client.call('readBatches', [afterSeq, limit]),
      chunks: (batchSeq, after, limit) => client.call('readChunks', [batchSeq, after, limit]),
      decided: (after, limit) => client.call('readDecided', [after, limit]),
      decision: (place) => client.call('readDecision', [place]),
      statuses: (afterSeq, afterIndex, limit) =>
        client.call('readStatuses', [afterSeq, afterIndex, limit]),
      scopes: () => client.call('readScopes', []),
      revocations: (after, limit) => client.call('readRevocations', [after, limit]),
      massOperations: (afterSeq, limit) => client.call('readMassOperations', [afterSeq, limit]),
      allowListFile: (allowListId) => allowListFile(this.#directory, allowListId),
    };
  }

  createTenant(tenant: TenantId, createdAtMs: number): Promise<boolean> {
    return this.#client.call('createTenant', [tenant, createdAtMs]);
  }

  hasTenant(tenant: TenantId): Promise<boolean> {
    return this.#client.call('hasTenant', [tenant]);
  }

  listTenants(page: PageRequest) {
    return this.#client.call('listTenants', [page]);
  }

  addCredential(credential: Credential): Promise<void> {
    return this.#client.call('addCredential', [credential]);
  }

  findCredential(keyHash: string) {
    return this.#client.call('findCredential', [keyHash]);
  }

  listCredentials(tenant: TenantId) {
    return this.#client.call('listCredentials', [tenant]);
  }

  removeCredential(tenant: TenantId, keyHash: string): Promise<boolean> {
    return this.#client.call('removeCredential', [tenant, keyHash]);
  }

  addProfile(profile: StoredProfile): Promise<void> {
    return this.#client.call('addProfile', [profile]);
  }

  addProfileToAll(profile: Omit<StoredProfile, 'tenant'>) {
    return this.#client.call('addProfileToAll', [profile]);
  }

  getProfile(tenant: TenantId, hash: string) {
    return this.#client.call('getProfile', [tenant, hash]);
  }

  findProfile(tenant: TenantId, name: string) {
    return this.#client.call('findProfile', [tenant, name]);
  }

  listProfiles(tenant: TenantId, page: PageRequest) {
    return this.#client.call('listProfiles', [tenant, page]);
  }

  createOrder(order: Order): Promise<boolean> {
    return this.#client.call('createOrder', [order]);
  }

  getOrder(tenant: TenantId, orderId: OrderId) {
    return this.#client.call('getOrder', [tenant, orderId]);
  }

  listOrders(tenant: TenantId, page: PageRequest) {
    return this.#client.call('listOrders', [tenant, page]);
  }

  closeOrder(tenant: TenantId, orderId: OrderId, atMs: number) {
    return this.#client.call('closeOrder', [tenant, orderId, atMs]);
  }

  reservedUnder(tenant: TenantId, orderId: OrderId): Promise<number> {
    return this.#client.call('reservedUnder', [tenant, orderId]);
  }

  async importAllowList(
    tenant: TenantId,
    orderId: OrderId,
    rows: AsyncIterable<AllowListRow>,
  ): Promise<number> {
    if ((await this.getOrder(tenant, orderId)) === undefined) {
      throw new CertmillError('NOT_FOUND', `there is no order ${orderId}`);
    }
    const id = randomUUID();
    const file = allowListFile(this.#directory, id);
    await mkdir(dirname(file), { recursive: true });
    const devices = await buildAllowList(file, rows, this.#maxAllowListDevices);
    let replaced: string | undefined;
    try {
      replaced = await this.#client.call('switchAllowList', [tenant, orderId, id, devices]);
    } catch (error) {
      // The COMMIT may have reached the disk: the file goes only where the list is not in force.
      const order = await this.getOrder(tenant, orderId).catch(() => ({ allowListId: id }));
      if (order?.allowListId !== id) await rm(file, { force: true });
      throw error;
    }
    if (replaced !== undefined) await this.#client.call('dropAllowList', [replaced]);
    return devices;
  }

  async lookUp(tenant: TenantId, orderId: OrderId, queries: readonly AllowListQuery[]) {
    const packed = packQueries(queries);
    const transfer = [packed.udids.buffer];
    return unpackRows(
      await this.#client.call('lookUp', [tenant, orderId, packed], { isUrgent: true, transfer }),
    );
  }

  async storeEpoch(): Promise<Uint8Array> {
    // It cannot change while the store is open.
    this.#epoch ??= await this.#client.call('storeEpoch', []);
    return this.#epoch.slice();
  }

  async openBatch(batch: Batch): Promise<Batch> {
    if (batch.lane === 'interactive') this.#rememberInteractive(batch.batchId);
    return this.#client.call('openBatch', [batch]);
  }

  findTenant(batchId: BatchId) {
    return this.#client.call('findTenant', [batchId]);
  }

  getBatch(tenant: TenantId, batchId: BatchId) {
    return this.#client.call('getBatch', [tenant, batchId]);
  }

  listBatches(tenant: TenantId, orderId: OrderId, page: PageRequest) {
    return this.#client.call('listBatches', [tenant, orderId, page]);
  }

  registerChunk(registration: ChunkRegistration): Promise<ChunkRegistration> {
    // Copies: structured clone takes the whole memory behind a view along.
    const digest = new Uint8Array(registration.digest);
    const { previousDigest: before } = registration;
    const previous = before === undefined ? {} : { previousDigest: new Uint8Array(before) };
    return this.#client.call(
      'registerChunk',
      [{ ...registration, digest, ...previous }],
      this.#laneOf(registration),
    );
  }

  getRegistration(chunk: ChunkRef) {
    return this.#client.call('getRegistration', [chunkRefOf(chunk)]);
  }

  confirmChunk(chunk: ChunkRef): Promise<void> {
    const args = [chunkRefOf(chunk), this.#clock.nowMs()] as const;
    return this.#client.call('confirmChunk', [...args], this.#laneOf(chunk));
  }

  completeUpload(tenant: TenantId, batchId: BatchId, total: number, atMs: number): Promise<Batch> {
    return this.#client.call('completeUpload', [tenant, batchId, total, atMs]);
  }

  cancelBatch(tenant: TenantId, batchId: BatchId, atMs: number) {
    return this.#client.call('cancelBatch', [tenant, batchId, atMs]);
  }

  getVerdict(chunk: ChunkRef): Promise<Uint8Array | undefined> {
    return this.#client.call('getVerdict', [chunkRefOf(chunk)]);
  }

  async decide(decision: Decision): Promise<Uint8Array> {
    const packed = packDecision(decision);
    const verdict = await this.#client.call('decide', [packed], {
      ...this.#laneOf(decision.chunk),
      transfer: [packed.columns.bytes.buffer],
    });
    return verdict ?? decision.draft;
  }

  async publish(terminal: TerminalChunk): Promise<'published' | 'already-published'> {
    const packed = packTerminal(terminal);
    const outcome = await this.#client.call('publish', [packed], {
      isUrgent: terminal.lane === 'interactive',
      transfer: [packed.columns.bytes.buffer],
    });
    this.#interactive.delete(terminal.chunk.batchId);
    return outcome;
  }

  chunkState(chunk: ChunkRef) {
    return this.#client.call('chunkState', [chunkRefOf(chunk)]);
  }

  markDeadLettered(chunk: ChunkRef, cause: DeadLetterCause): Promise<void> {
    return this.#client.call('markDeadLettered', [chunkRefOf(chunk), cause, this.#clock.nowMs()]);
  }

  retryDeadLetter(chunk: ChunkRef, atMs: number) {
    return this.#client.call('retryDeadLetter', [chunkRefOf(chunk), atMs]);
  }

  getDeadLetter(chunk: ChunkRef) {
    return this.#client.call('getDeadLetter', [chunkRefOf(chunk)]);
  }

  listDeadLetters(tenant: TenantId, batchId: BatchId, page: PageRequest) {
    return this.#client.call('listDeadLetters', [tenant, batchId, page]);
  }

  getSegment(chunk: ChunkRef): Promise<Uint8Array | undefined> {
    return this.#client.call('getSegment', [chunkRefOf(chunk)]);
  }

  findChunk(tenant: TenantId, batchId: BatchId, index: number) {
    return this.#client.call('findChunk', [tenant, batchId, index]);
  }

  findByUdid(tenant: TenantId, udid: Uint8Array, limit: number) {
    return this.#client.call('findByUdid', [tenant, new Uint8Array(udid), limit]);
  }

  findByDevice(tenant: TenantId, deviceId: string, limit: number) {
    return this.#client.call('findByDevice', [tenant, deviceId, limit]);
  }

  placesOf(tenant: TenantId, devices: readonly AllowListQuery[], limit: number) {
    return this.#client.call('placesOf', [tenant, devices, limit]);
  }

  claimsOf(tenant: TenantId, profileName: string, devices: readonly AllowListQuery[]) {
    return this.#client.call('claimsOf', [tenant, profileName, devices]);
  }

  getStatus(tenant: TenantId, batchId: BatchId, index: number) {
    return this.#client.call('getStatus', [tenant, batchId, index]);
  }

  listStatuses(tenant: TenantId, batchId: BatchId, firstIndex: number, count: number) {
    return this.#client.call('listStatuses', [tenant, batchId, firstIndex, count]);
  }

  changeStatuses(changes: readonly StatusChange[]): Promise<readonly StatusOutcome[]> {
    // Copies: structured clone takes the whole memory behind a view along.
    const copies = changes.map((change) => ({
      ...change,
      serialNumber: new Uint8Array(change.serialNumber),
    }));
    const isUrgent = changes.length <= maxUrgentChanges;
    return this.#client.call('changeStatuses', [copies, this.#clock.nowMs()], { isUrgent });
  }

  countChanges(scope: CrlScope): Promise<number> {
    return this.#client.call('countChanges', [scope]);
  }

  async listRevoked(
    scope: CrlScope,
    page: RevokedPageRequest,
  ): Promise<readonly RevokedCertificate[]> {
    const found: RevokedCertificate[] = [];
    // All that one call tells from the beginning is checked in any case.
    const listing = page.listing ?? (page.after === undefined ? randomUUID() : undefined);
    let after = page.after && new Uint8Array(page.after);
    do {
      const limit = page.limit - found.length;
      const { changedSince, without } = page;
      const asked = { limit, after, changedSince, without, listing };
      const packed = await this.#client.call('listRevoked', [scope, asked]);
      const { revoked, lookedUpTo } = unpackRevocations(packed);
      found.push(...revoked);
      after = lookedUpTo && new Uint8Array(lookedUpTo);
    } while (after !== undefined && found.length < page.limit);
    return found;
  }

  /** What was recorded of a certificate, in force before a CRL says so; undefined: nothing. */
  recordedStatus(scope: CrlScope, serialNumber: Uint8Array) {
    return this.#client.call('recordedStatus', [scope, serialNumber]);
  }

  putCrl(crl: StoredCrl, replaces: bigint | undefined): Promise<boolean> {
    return this.#crls.putCrl(crl, replaces);
  }

  getCrl(scope: CrlScope, kind: StoredCrl['kind']): Promise<StoredCrl | undefined> {
    return this.#crls.getCrl(scope, kind);
  }

  describeCrl(scope: CrlScope, kind: StoredCrl['kind']) {
    return this.#crls.describeCrl(scope, kind);
  }

  listChangedScopes(follower: ScopeFollower, page: ChangedScopesPage) {
    return this.#client.call('listChangedScopes', [follower, page]);
  }

  notePresigned(scope: CrlScope, changes: number): Promise<void> {
    return this.#client.call('notePresigned', [scope, changes]);
  }

  countPresigned(scope: CrlScope): Promise<number> {
    return this.#client.call('countPresigned', [scope]);
  }

  appendAudit(entry: AuditEntry): Promise<ChainedAuditEntry> {
    return this.#client.call('appendAudit', [entry]);
  }

  listAudit({ limit, after = 0 }: { readonly limit: number; readonly after?: number }) {
    return this.#client.call('listAudit', [after, limit]);
  }

  putFrozenPage(frozen: FrozenSelectionName, page: number, batches: readonly FrozenBatch[]) {
    return this.#client.call('putFrozenPage', [frozen, page, batches]);
  }

  dropFrozen(frozen: FrozenSelectionName) {
    return this.#client.call('dropFrozen', [frozen]);
  }

  addOperation(operation: MassOperation): Promise<boolean> {
    return this.#client.call('addOperation', [operation]);
  }

  getOperation(tenant: TenantId, operationId: string) {
    return this.#client.call('getOperation', [tenant, operationId]);
  }

  frozenPage(frozen: FrozenSelectionName, page: number) {
    return this.#client.call('frozenPage', [frozen, page]);
  }

  listOperations(tenant: TenantId, page: PageRequest) {
    return this.#client.call('listOperations', [tenant, page]);
  }

  listRunning(page: PageRequest) {
    return this.#client.call('listRunning', [page]);
  }

  saveOperation(
    operation: MassOperation,
    expectedVersion: number,
    outcome?: ChunkOutcome,
  ): Promise<boolean> {
    return this.#client.call('saveOperation', [operation, expectedVersion, outcome]);
  }

  listOutcomes(operation: Pick<MassOperation, 'tenant' | 'operationId'>, which: OutcomeQuery) {
    const { tenant, operationId } = operation;
    return this.#client.call('listOutcomes', [{ tenant, operationId }, which]);
  }

  lastIssuanceMs(): Promise<number> {
    return this.#client.call('lastIssuanceMs', []);
  }

  add(queue: string, job: Job): Promise<void> {
    return this.#jobs.add(queue, job);
  }

  process(
    queue: string,
    options: { readonly concurrency: number; readonly attempts: number },
    handler: (job: Job) => Promise<void>,
  ): Promise<{ stop(timeoutMs: number): Promise<void> }> {
    return this.#jobs.process(queue, options, handler);
  }

  count(queue: string, state: 'waiting' | 'failed'): Promise<number> {
    return this.#jobs.count(queue, state);
  }

  #laneOf(chunk: ChunkRef): { readonly isUrgent: boolean } {
    return { isUrgent: this.#interactive.has(chunk.batchId) };
  }

  #rememberInteractive(batchId: BatchId): void {
    const oldest = this.#interactive.values().next().value;
    if (this.#interactive.size >= maxInteractiveBatches && oldest !== undefined) {
      this.#interactive.delete(oldest);
    }
    this.#interactive.add(batchId);
  }
}
