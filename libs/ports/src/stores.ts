import type {
  Batch,
  BatchId,
  CertificateStatus,
  ChunkRef,
  Credential,
  Lane,
  Order,
  OrderId,
  TenantId,
} from '@certmill/domain';

/** One page of a listing. `next` is an opaque cursor, absent at the end. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string;
}

export interface PageRequest {
  readonly limit: number;
  readonly cursor?: string;
}

/** Tenants and the API keys that map to them. */
export interface TenantStore {
  /** Insert if absent; resolves to false where the tenant is there already. */
  createTenant(tenant: TenantId, createdAtMs: number): Promise<boolean>;
  hasTenant(tenant: TenantId): Promise<boolean>;
  listTenants(page: PageRequest): Promise<Page<TenantId>>;
  addCredential(credential: Credential): Promise<void>;
  findCredential(keyHash: string): Promise<Credential | undefined>;
  listCredentials(tenant: TenantId): Promise<readonly Credential[]>;
  removeCredential(tenant: TenantId, keyHash: string): Promise<boolean>;
}

/** A stored profile: the canonical text is what the hash is of. */
export interface StoredProfile {
  readonly tenant: TenantId;
  readonly name: string;
  readonly version: number;
  /** SHA-256 of `canonical`, hex. */
  readonly hash: string;
  readonly canonical: string;
  readonly addedAtMs: number;
}

export interface ProfileStore {
  /** Insert if absent by (tenant, name, version). The same hash again is success; another one is CONFLICT. */
  addProfile(profile: StoredProfile): Promise<void>;
  /**
   * The same for every tenant at once, in one step. Where another hash is stored it stays; resolves to
   * the tenants of which that is so, the first 100 by name.
   */
  addProfileToAll(profile: Omit<StoredProfile, 'tenant'>): Promise<readonly TenantId[]>;
  getProfile(tenant: TenantId, hash: string): Promise<StoredProfile | undefined>;
  /** The highest version of the name. */
  findProfile(tenant: TenantId, name: string): Promise<StoredProfile | undefined>;
  /** By name, then by version; 100 at most in a page, since each comes whole. */
  listProfiles(tenant: TenantId, page: PageRequest): Promise<Page<StoredProfile>>;
}

export interface OrderStore {
  /** Insert if absent by (tenant, orderId); false where it is there already. */
  createOrder(order: Order): Promise<boolean>;
  getOrder(tenant: TenantId, orderId: OrderId): Promise<Order | undefined>;
  /** Newest first. */
  listOrders(tenant: TenantId, page: PageRequest): Promise<Page<Order>>;
  /** Idempotent: the first time stays. */
  closeOrder(tenant: TenantId, orderId: OrderId, atMs: number): Promise<Order | undefined>;
  /** Certificates reserved or issued under the order: never above its quota. */
  reservedUnder(tenant: TenantId, orderId: OrderId): Promise<number>;
}

/** What the allow-list says of one device; every field may be absent. */
export interface AllowListRow {
  readonly deviceId?: string;
  /** SHA-256 of the DER SubjectPublicKeyInfo, hex: binds the key. */
  readonly udid?: string;
  readonly serial?: string;
  readonly model?: string;
  /** 4 upper-case hex digits each (Matter). */
  readonly vendorId?: string;
  readonly productId?: string;
  readonly site?: string;
}

/** How a request may be found on the list. */
export interface AllowListQuery {
  readonly deviceId?: string;
  /** 32 octets. */
  readonly udid: Uint8Array;
}

export interface AllowListStore {
  /**
   * Streams a list in, packs it and puts it in force for the order in place of the one before
   * (all or nothing). Resolves to the number of devices. A device id or UDID twice: the import is
   * refused with INVALID_INPUT and nothing changes.
   */
  importAllowList(
    tenant: TenantId,
    orderId: OrderId,
    rows: AsyncIterable<AllowListRow>,
  ): Promise<number>;
  /**
   * The rows of a chunk's requests on the list in force, aligned with the queries; undefined where
   * none matches. A row is found by device id, else by UDID.
   */
  lookUp(
    tenant: TenantId,
    orderId: OrderId,
    queries: readonly AllowListQuery[],
  ): Promise<readonly (AllowListRow | undefined)[]>;
}

/** What ingest pins for a chunk before it is appended to the log. */
export interface ChunkRegistration extends ChunkRef {
  readonly firstIndex: number;
  readonly count: number;
  /** SHA-256 over the chunk's requests with device ids, 32 octets: tells a resend from other bytes. */
  readonly digest: Uint8Array;
  /**
   * Of the chunk before, where there is one. With it a caller need not wait for one registration
   * before it makes the next: behind a chunk that is stored otherwise nothing is registered.
   */
  readonly previousDigest?: Uint8Array;
  readonly receivedAtMs: number;
  readonly signBeforeMs: number;
  readonly serialKeyId: number;
}

/** Who wants the devices of a chunk, and with what result so far. */
export interface Decision {
  readonly chunk: ChunkRef;
  readonly orderId: OrderId;
  readonly profileName: string;
  readonly firstIndex: number;
  readonly nowMs: number;
  /**
   * As pinned in the chunk: a certificate whose validity was over then stands in no device's way. Nobody
   * looks at a clock for it, so a chunk is judged alike whenever that is done.
   */
  readonly receivedAtMs: number;
  /**
   * The encoded Verdict as every check but claims and quota would have it. The store amends it with
   * `amendVerdict` of @certmill/events where a claim or the quota says no.
   */
  readonly draft: Uint8Array;
  /** The draft's rejection numbers, 0 where the request passed every check so far. */
  readonly codes: readonly number[];
  /** 32 octets each, back to back; ignored where rejected. */
  readonly udids: Uint8Array;
  readonly deviceIds: readonly string[];
  /**
   * Under an order that reissues: from whom each request takes the claim over, aligned. From nobody else whose
   * certificate lasts: who came in between keeps the device.
   */
  readonly expectedHolders?: readonly CertificatePlace[];
}

export interface BatchStore {
  /** Random, 16 octets, new after every restore: part of every batch id. */
  storeEpoch(): Promise<Uint8Array>;
  /** Insert if absent; resolves to the batch as stored. */
  openBatch(batch: Batch): Promise<Batch>;
  getBatch(tenant: TenantId, batchId: BatchId): Promise<Batch | undefined>;
  /** Whose batch it is: a serial number leads back to a batch, and tells no tenant. */
  findTenant(batchId: BatchId): Promise<TenantId | undefined>;
  listBatches(tenant: TenantId, orderId: OrderId, page: PageRequest): Promise<Page<Batch>>;
  /**
   * Insert if absent, durable, before the chunk is appended to the log; resolves to the registration
   * that is in force, whose pins the caller MUST use. The caller compares digests: other bytes at an
   * index that is registered are a conflict. Registrations of a batch take effect in the order of
   * the calls; CONFLICT where the chunk before has another digest than `previousDigest`.
   */
  registerChunk(registration: ChunkRegistration): Promise<ChunkRegistration>;
  getRegistration(chunk: ChunkRef): Promise<ChunkRegistration | undefined>;
  /**
   * The chunk is in the log: `nextIndex` and `accepted` move past it. Idempotent, in any order.
   * CONFLICT where its batch was cancelled or broken off before: the chunk is none of it, and no call
   * may change that.
   */
  confirmChunk(chunk: ChunkRef): Promise<void>;
  /** The upload ended with `total` requests. CONFLICT where another total is stored. */
  completeUpload(tenant: TenantId, batchId: BatchId, total: number, atMs: number): Promise<Batch>;
  /** Durable before it resolves; idempotent. Chunks that sign has not begun end as BATCH_CANCELLED. */
  cancelBatch(tenant: TenantId, batchId: BatchId, atMs: number): Promise<Batch | undefined>;
}

export interface VerdictStore {
  /** The encoded verdict of a chunk, once it is decided. */
  getVerdict(chunk: ChunkRef): Promise<Uint8Array | undefined>;
  /**
   * Decides a chunk, at most once. Atomically and durably: takes key bindings and live claims, takes
   * quota (too little left: the lowest indexes win), and inserts the amended draft, if absent.
   * Resolves to the verdict in force: of two deciders, both get the first's.
   * Finding the request's own binding or claim is success. A claim whose holder has a certificate that
   * had expired when the chunk was received (`hasExpired`) is taken over, on hold or not; an order that
   * does not renew takes it for good, and one that reissues takes over from its `expectedHolders` alone.
   * Adds KEY_IN_USE, DUPLICATE_IN_BATCH,
   * DEVICE_REQUEST_PENDING, DEVICE_ALREADY_ISSUED, ORDER_QUOTA_EXCEEDED, ORDER_CLOSED.
   * CONFLICT, with nothing taken, where `confirmChunk` would be refused.
   */
  decide(decision: Decision): Promise<Uint8Array>;
}

/** A chunk's terminal record as publish hands it over. */
export interface TerminalChunk {
  readonly chunk: ChunkRef;
  readonly orderId: OrderId;
  readonly profileName: string;
  readonly lane: Lane;
  readonly firstIndex: number;
  /** The encoded IssuedChunk. */
  readonly segment: Uint8Array;
  /** Final rejection number per request, 0 where issued. */
  readonly codes: readonly number[];
  /** As in the verdict. Looked at only where something is released. */
  readonly udids: Uint8Array;
  readonly deviceIds: readonly string[];
  /** Which counter the requests that neither the verdict rejected nor sign issued go to. */
  readonly endedAs: 'rejected' | 'cancelled';
  /** Requests accepted by the verdict that were not signed: claims and quota are given back. */
  readonly released: readonly number[];
  /** When its certificates end (RFC 5280 4.1.2.5), all at once; absent where there is none. */
  readonly notAfterMs?: number;
  readonly publishedAtMs: number;
  /** Latest pinned receivedAt, for the clock check across restarts. */
  readonly receivedAtMs: number;
}

export interface ChunkState {
  /** The chunk was seen in the log. */
  readonly durable: boolean;
  /** The chunk has its terminal record. */
  readonly ended: boolean;
  /** Its batch was cancelled. */
  readonly cancelled: boolean;
}

/** Why a chunk could not be processed, and where its record is kept. */
export interface DeadLetterCause {
  /** The code of the fault. */
  readonly code: string;
  /** Its message, where that is safe to show; else ''. */
  readonly detail: string;
  /** The stage that failed. */
  readonly stage: string;
  /** The topic that the record was read from: a retry appends it there again. */
  readonly topic: string;
  /** For `EventLog.readDeadLetter`; '' where it is not known. */
  readonly place: string;
}

/** A chunk that waits for an operator, or was retried and has not ended since. */
export interface DeadLetter extends DeadLetterCause {
  readonly chunk: ChunkRef;
  readonly firstIndex: number;
  readonly count: number;
  /** When it was last given up. */
  readonly atMs: number;
  /** When it was last retried, where that was after `atMs`: its requests count as in flight. */
  readonly retriedAtMs?: number;
}

/** Where a request's certificate, if any, is found. */
export interface StoredRequest {
  readonly tenant: TenantId;
  readonly batchId: BatchId;
  readonly chunkNumber: number;
  readonly index: number;
  /** The encoded IssuedChunk that holds it. */
  readonly segment: Uint8Array;
}

/** Where a certificate is, and the request that it was issued for. */
export type CertificatePlace = Pick<StoredRequest, 'batchId' | 'index'>;

/** Where a request is that was accepted. */
export type RequestPlace = Pick<StoredRequest, 'batchId' | 'chunkNumber' | 'index'>;

export interface CertificateStore {
  /** Insert if absent: the first durable segment is the chunk's end. Moves counters in the same effect. */
  publish(terminal: TerminalChunk): Promise<'published' | 'already-published'>;
  /** What sign asks right before it begins a chunk; undefined where the chunk is not registered. */
  chunkState(chunk: ChunkRef): Promise<ChunkState | undefined>;
  /**
   * A chunk went to a dead-letter topic: its requests move from in flight to dead-lettered until it is
   * retried or ends. Idempotent: the first cause stays until a retry. Nothing where the chunk has ended
   * or is none of its batch.
   */
  markDeadLettered(chunk: ChunkRef, cause: DeadLetterCause): Promise<void>;
  /**
   * The chunk's requests are in flight again; MUST be durable before the record is appended again.
   * Resolves to its dead letter, also where it was retried before; undefined where it is none (any more).
   */
  retryDeadLetter(chunk: ChunkRef, atMs: number): Promise<DeadLetter | undefined>;
  /** Undefined for a chunk that never was one, or has ended. */
  getDeadLetter(chunk: ChunkRef): Promise<DeadLetter | undefined>;
  /** Of a batch, in the order of its chunks, without those that have ended. */
  listDeadLetters(tenant: TenantId, batchId: BatchId, page: PageRequest): Promise<Page<DeadLetter>>;
  /** The encoded IssuedChunk, once the chunk ended. */
  getSegment(chunk: ChunkRef): Promise<Uint8Array | undefined>;
  /** The chunk that holds an index of a batch, whether ended or not. */
  findChunk(tenant: TenantId, batchId: BatchId, index: number): Promise<ChunkRef | undefined>;
  /** Newest first, at most `limit`. */
  findByUdid(tenant: TenantId, udid: Uint8Array, limit: number): Promise<readonly StoredRequest[]>;
  findByDevice(
    tenant: TenantId,
    deviceId: string,
    limit: number,
  ): Promise<readonly StoredRequest[]>;
  /**
   * Requests that were accepted for devices, whether they have certificates or not: newest first, at most
   * `limit` of each, aligned with the queries; fewer where there are no more.
   * Without a device id the key tells the device.
   */
  placesOf(
    tenant: TenantId,
    devices: readonly AllowListQuery[],
    limit: number,
  ): Promise<readonly (readonly RequestPlace[])[]>;
  /**
   * Who has the live claim of each device on a profile name, aligned with the queries: the request that
   * holds it, in flight or issued, and behind it those that it was taken over from and would go back to
   * (ADR 0025), newest first; nothing where the claim is free. Expired certificates keep theirs (ADR 0029).
   */
  claimsOf(
    tenant: TenantId,
    profileName: string,
    devices: readonly AllowListQuery[],
  ): Promise<readonly (readonly RequestPlace[])[]>;
  /** O(1). Changed by `RevocationStore`. */
  getStatus(tenant: TenantId, batchId: BatchId, index: number): Promise<CertificateStatus>;
  /** Of a range of a batch, those that were ever changed, by their indexes. */
  listStatuses(
    tenant: TenantId,
    batchId: BatchId,
    firstIndex: number,
    count: number,
  ): Promise<ReadonlyMap<number, CertificateStatus>>;
  /** The latest receivedAt that was ever pinned or published, 0 in an empty store. */
  lastIssuanceMs(): Promise<number>;
}
