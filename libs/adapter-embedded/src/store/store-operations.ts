import { rmSync } from 'node:fs';
import type {
  Batch,
  BatchId,
  CertificateStatus,
  ChunkRef,
  OrderId,
  TenantId,
} from '@certmill/domain';
import type { Locator } from '@certmill/packed';
import type {
  AllowListQuery,
  ChunkState,
  CrlScope,
  DeadLetterCause,
  RequestPlace,
  StatusChange,
  StoredRequest,
} from '@certmill/ports';
import { backUp } from './back-up.js';
import { changeStatuses } from './change-statuses.js';
import type { ChunkRecord } from './chunk-table.js';
import type { CrlRecord } from './crl-table.js';
import { decideChunk } from './decide-chunk.js';
import type { StoreCore } from './open-core.js';
import {
  packRows,
  unpackDecision,
  unpackQueries,
  unpackTerminal,
  type PackedDecision,
  type PackedQueries,
  type PackedTerminal,
} from './packed-calls.js';
import { publishChunk } from './publish-chunk.js';
import { readOutOperations } from './read-out.js';
import { numberIn } from './rows.js';
import { allowListFile, crlFile } from './store-files.js';
import type { MaintenanceGate } from './maintenance-gate.js';

/** Look-ups read more index entries than are asked for: some lead to requests without a certificate. */
const indexSurplus = 64;

/** Calls that change something: they run in a transaction, the others between transactions. */
export const writing = {
  createTenant: true,
  addCredential: true,
  removeCredential: true,
  addProfile: true,
  addProfileToAll: true,
  createOrder: true,
  closeOrder: true,
  switchAllowList: true,
  openBatch: true,
  registerChunk: true,
  confirmChunk: true,
  completeUpload: true,
  cancelBatch: true,
  decide: true,
  publish: true,
  markDeadLettered: true,
  retryDeadLetter: true,
  changeStatuses: true,
  appendAudit: true,
  putFrozenPage: true,
  dropFrozen: true,
  addOperation: true,
  saveOperation: true,
  addJob: true,
  finishJob: true,
  postponeJob: true,
  failJob: true,
  putCrl: true,
  notePresigned: true,
} as const satisfies Partial<Record<keyof StoreOperations, true>>;

export type StoreOperations = ReturnType<typeof storeOperations>;

/** The calls of the ports, as the store thread answers them. */
export function storeOperations(core: StoreCore, gate: MaintenanceGate) {
  const { tenants, profiles, orders, batches, chunks, deadLetters, jobs, claims, segments, db } =
    core;

  const chunkAt = (tenant: TenantId, batchId: BatchId, index: number): ChunkRecord | undefined => {
    const batch = batches.key(tenant, batchId);
    return batch && chunks.findAt(batch, index);
  };
  const storedRequests = (locators: readonly Locator[], limit: number): StoredRequest[] => {
    const found: StoredRequest[] = [];
    for (const { seq, index } of locators) {
      if (found.length === limit) break;
      const batch = batches.keyOfSeq(seq);
      const chunk = batch && chunks.findAt(batch, index);
      if (chunk?.segment === undefined) continue;
      const { tenant, batchId } = chunk.batch;
      const { chunkNumber } = chunk;
      found.push({ tenant, batchId, chunkNumber, index, segment: segments.read(chunk.segment) });
    }
    return found;
  };

  const requestPlaces = (locators: readonly Locator[]): RequestPlace[] =>
    locators.flatMap(({ seq, index }) => {
      const batch = batches.keyOfSeq(seq);
      const chunk = batch && chunks.findAt(batch, index);
      return chunk ? [{ batchId: chunk.batch.batchId, chunkNumber: chunk.chunkNumber, index }] : [];
    });

  return {
    createTenant: tenants.createTenant.bind(tenants),
    hasTenant: tenants.hasTenant.bind(tenants),
    listTenants: tenants.listTenants.bind(tenants),
    addCredential: tenants.addCredential.bind(tenants),
    findCredential: tenants.findCredential.bind(tenants),
    listCredentials: tenants.listCredentials.bind(tenants),
    removeCredential: tenants.removeCredential.bind(tenants),
    addProfile: profiles.addProfile.bind(profiles),
    addProfileToAll: profiles.addProfileToAll.bind(profiles),
    getProfile: profiles.getProfile.bind(profiles),
    findProfile: profiles.findProfile.bind(profiles),
    listProfiles: profiles.listProfiles.bind(profiles),
    createOrder: orders.createOrder.bind(orders),
    getOrder: orders.getOrder.bind(orders),
    listOrders: orders.listOrders.bind(orders),
    closeOrder: orders.closeOrder.bind(orders),
    reservedUnder: orders.reservedUnder.bind(orders),
    switchAllowList: orders.switchAllowList.bind(orders),
    openBatch: batches.openBatch.bind(batches),
    getBatch: batches.getBatch.bind(batches),
    findTenant: batches.findTenant.bind(batches),
    listBatches: batches.listBatches.bind(batches),
    completeUpload(tenant: TenantId, batchId: BatchId, total: number, atMs: number): Batch {
      const batch = batches.key(tenant, batchId);
      const registeredEnd = batch === undefined ? 0 : chunks.registeredEnd(batch);
      return batches.completeUpload(tenant, batchId, total, registeredEnd, atMs);
    },
    cancelBatch: batches.cancelBatch.bind(batches),
    registerChunk: chunks.registerChunk.bind(chunks),
    getRegistration: chunks.getRegistration.bind(chunks),
    lastIssuanceMs: chunks.lastIssuanceMs.bind(chunks),
    addJob: jobs.addJob.bind(jobs),
    dueJobs: jobs.dueJobs.bind(jobs),
    finishJob: jobs.finishJob.bind(jobs),
    postponeJob: jobs.postponeJob.bind(jobs),
    failJob: jobs.failJob.bind(jobs),
    countJobs: jobs.countJobs.bind(jobs),

    storeEpoch: (): Uint8Array => new Uint8Array(core.identity.epoch),
    confirmChunk(chunk: ChunkRef, nowMs: number): void {
      const record = chunks.require(chunk);
      if (record.isConfirmed) return;
      chunks.confirm(record);
      batches.completeIfDone(chunk.tenant, chunk.batchId, nowMs);
    },
    getVerdict(chunk: ChunkRef): Uint8Array<ArrayBuffer> | undefined {
      const record = chunks.find(chunk);
      return record && chunks.getVerdict(record);
    },
    /** Undefined where the verdict in force is the draft as it came. */
    decide(packed: PackedDecision): Uint8Array | undefined {
      const decision = unpackDecision(packed);
      const verdict = decideChunk(core, decision);
      return verdict === decision.draft ? undefined : verdict;
    },
    publish: (packed: PackedTerminal) => publishChunk(core, segments, unpackTerminal(packed)),
    chunkState(chunk: ChunkRef): ChunkState | undefined {
      const record = chunks.find(chunk);
      return (
        record && {
          durable: record.isConfirmed,
          ended: record.segment !== undefined,
          cancelled: batches.require(chunk.tenant, chunk.batchId).cancelledAtMs !== undefined,
        }
      );
    },
    markDeadLettered(chunk: ChunkRef, cause: DeadLetterCause, nowMs: number): void {
      deadLetters.mark(chunks.require(chunk), cause, nowMs);
      batches.completeIfDone(chunk.tenant, chunk.batchId, nowMs);
    },
    retryDeadLetter: deadLetters.retry.bind(deadLetters),
    getDeadLetter: deadLetters.get.bind(deadLetters),
    listDeadLetters: deadLetters.list.bind(deadLetters),
    getSegment(chunk: ChunkRef): Uint8Array<ArrayBuffer> | undefined {
      const place = chunks.find(chunk)?.segment;
      return place && segments.read(place);
    },
    findChunk(tenant: TenantId, batchId: BatchId, index: number): ChunkRef | undefined {
      const chunk = chunkAt(tenant, batchId, index);
      return chunk && { tenant, batchId, chunkNumber: chunk.chunkNumber };
    },
    findByUdid(tenant: TenantId, udid: Uint8Array, limit: number): StoredRequest[] {
      const id = Buffer.from(udid).toString('latin1');
      return storedRequests(claims.requestsOfUdid(tenant, id, limit + indexSurplus), limit);
    },
    findByDevice(tenant: TenantId, deviceId: string, limit: number): StoredRequest[] {
      return storedRequests(claims.requestsOfDevice(tenant, deviceId, limit + indexSurplus), limit);
    },
    placesOf(
      tenant: TenantId,
      devices: readonly AllowListQuery[],
      limit: number,
    ): RequestPlace[][] {
      return devices.map(({ deviceId, udid }) =>
        requestPlaces(
          deviceId === undefined
            ? claims.requestsOfUdid(tenant, Buffer.from(udid).toString('latin1'), limit)
            : claims.requestsOfDevice(tenant, deviceId, limit),
        ),
      );
    },
    claimsOf(
      tenant: TenantId,
      profileName: string,
      devices: readonly AllowListQuery[],
    ): RequestPlace[][] {
      const scoped = claims.within({ tenant, profileName });
      return devices.map(({ deviceId = '', udid }) =>
        requestPlaces(scoped.listOf(deviceId, Buffer.from(udid).toString('latin1'))),
      );
    },
    getStatus(tenant: TenantId, batchId: BatchId, index: number): CertificateStatus {
      const batch = batches.key(tenant, batchId);
      return batch === undefined ? { state: 'good' } : core.statuses.get(batch, index);
    },
    listStatuses(tenant: TenantId, batchId: BatchId, firstIndex: number, count: number) {
      const batch = batches.key(tenant, batchId);
      const none = new Map<number, CertificateStatus>();
      return batch === undefined ? none : core.statuses.list(batch, firstIndex, count);
    },
    changeStatuses: (changes: readonly StatusChange[], nowMs: number) =>
      changeStatuses(core, changes, nowMs),
    recordedStatus: core.revocations.recordedStatus.bind(core.revocations),
    countChanges: core.revocations.countChanges.bind(core.revocations),
    listRevoked: core.revocations.page.bind(core.revocations),
    findCrl: core.crls.find.bind(core.crls),
    /** `unused`: the file that is not in force, of this CRL or of the one before. */
    putCrl(
      crl: CrlRecord,
      replaces: bigint | undefined,
    ): { readonly isStored: boolean; readonly unused?: string } {
      const inForce = core.crls.find(crl.scope, crl.kind);
      if (inForce?.crlNumber !== replaces || (replaces ?? -1n) >= crl.crlNumber) {
        return { isStored: false, unused: crl.fileId };
      }
      core.crls.put(crl);
      core.revocations.note(crl.scope, crl.kind, crl.changes);
      return { isStored: true, ...(inForce === undefined ? {} : { unused: inForce.fileId }) };
    },
    dropCrl(fileId: string): void {
      gate.whenOpen(() => {
        rmSync(crlFile(core.directory, fileId), { force: true });
      });
    },
    listChangedScopes: core.revocations.changedScopes.bind(core.revocations),
    countPresigned: core.revocations.countPresigned.bind(core.revocations),
    notePresigned: (scope: CrlScope, changes: number) => {
      core.revocations.note(scope, 'presigned', changes);
    },
    appendAudit: core.audit.append.bind(core.audit),
    listAudit: core.audit.list.bind(core.audit),
    putFrozenPage: core.massOperations.putFrozenPage.bind(core.massOperations),
    dropFrozen: core.massOperations.dropFrozen.bind(core.massOperations),
    addOperation: core.massOperations.add.bind(core.massOperations),
    getOperation: core.massOperations.get.bind(core.massOperations),
    frozenPage: core.massOperations.frozenPage.bind(core.massOperations),
    listOperations: core.massOperations.list.bind(core.massOperations),
    listRunning: core.massOperations.listRunning.bind(core.massOperations),
    listOutcomes: core.massOperations.listOutcomes.bind(core.massOperations),
    saveOperation: core.massOperations.save.bind(core.massOperations),
    async lookUp(tenant: TenantId, orderId: OrderId, packed: PackedQueries): Promise<string> {
      const queries = unpackQueries(packed);
      const idInForce = (): string | undefined => orders.getOrder(tenant, orderId)?.allowListId;
      for (;;) {
        const id = idInForce();
        if (id === undefined) return packRows(queries.map(() => undefined));
        const file = allowListFile(core.directory, id);
        await core.allowLists.get(file).load();
        // Replaced while it was loaded: its file may be gone.
        if (idInForce() !== id) continue;
        const list = core.allowLists.get(file);
        return packRows(queries.map(({ deviceId, udid }) => list.lookUp(deviceId, udid)));
      }
    },
    /** A list that is in force no more, or never came to be. */
    dropAllowList(allowListId: string): void {
      const file = allowListFile(core.directory, allowListId);
      core.allowLists.close(file);
      gate.whenOpen(() => {
        rmSync(file, { force: true });
      });
    },
    ...readOutOperations(core),
    backUpTo: (target: string): Promise<void> => backUp(core, gate, target),
    stats() {
      const row = db.prepare('SELECT count(*) AS chunks FROM chunks').get() ?? {};
      return {
        chunks: numberIn(row, 'chunks'),
        claims: core.claimRuns.runs.stats(),
        index: core.indexRuns.runs.stats(),
        memoryBytes: process.memoryUsage().external,
      };
    },
  };
}
