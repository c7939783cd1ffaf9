import type { CertmillError, ChunkRef, OrderId, TenantId } from '@certmill/domain';
import type { PageCache, RunWriter } from '@certmill/packed';
import type { AllowListQuery, Clock, Decision, Stoppable } from '@certmill/ports';
import type { JournalStorage } from './journal-storage.js';

/** What an order allows, as it stands when its chunk is decided. */
export interface OrderTerms {
  readonly quota: number;
  readonly expiresAtMs: number;
  readonly isClosed: boolean;
  /** As `Order.renews`. */
  readonly renews?: true;
}

/** Where a request stands. */
export interface RequestPlace {
  readonly chunk: ChunkRef;
  /** In its batch. */
  readonly index: number;
}

/** How a chunk ended. */
export interface ChunkEnd {
  /** When its certificates end, where it has any and that is known. */
  readonly notAfterMs?: number;
  /** Indexes in the batch: accepted, and not issued. */
  readonly released: readonly number[];
}

/** What the journal tells for metrics and alarms. MUST NOT throw. */
export interface JournalObserver {
  /** Entries were folded into a view; `entries` behind the last snapshot are its tail. */
  folded(shard: number, entries: number, tail: number): void;
  /** Another process was first at a number: what was judged is judged again. */
  conflict(shard: number): void;
  /** An entry has no effect, because it was not made from the entries before it: a zombie's. */
  ignored(shard: number, seq: number): void;
  /** Something failed that no caller waits for: a merge, a snapshot that could not be used. */
  fault(fault: CertmillError): void;
}

export interface ClaimJournalOptions {
  readonly storage: JournalStorage;
  /** Fixed when the fleet is initialised. */
  readonly shards: number;
  /** Of the keyed hashes, 32 octets, the same in every process. */
  readonly secret: Uint8Array;
  /** For this process alone: its folder `journal` is emptied at the first use. */
  readonly cacheDirectory: string;
  /** Of each chunk that has its terminal record: tells pending, issued and expired apart. */
  readonly endsOf: (chunks: readonly ChunkRef[]) => Promise<readonly (ChunkEnd | undefined)[]>;
  /** Whether the certificate of each request, which has one, is on hold: it is not renewed then. */
  readonly isHeld: (requests: readonly RequestPlace[]) => Promise<readonly boolean[]>;
  readonly runWriter: RunWriter;
  readonly pageCache: PageCache;
  readonly observer?: JournalObserver;
  /** Entries in memory of each of a view's two maps before they go to disk. Default 8,192. */
  readonly flushEntries?: number;
  /** A snapshot is due when the tail has more entries, so that a view opens soon. Default 5,000. */
  readonly snapshotEntries?: number;
  /** The same by requests that were accepted. Default 250,000. */
  readonly snapshotRequests?: number;
  /** How long what a snapshot no longer uses is kept for those who are reading it. Default 1 h. */
  readonly graceMs?: number;
  readonly clock: Clock;
  /** 0 to 1: spreads the pauses of processes that get in each other's way. Default Math.random. */
  readonly random?: () => number;
}

/** The decisions of all tenants (ADR 0012): verdicts, key bindings, live claims, quota, index. */
export interface ClaimJournal extends Stoppable {
  /**
   * The verdict in force, made now where there is none; the caller has confirmed the chunk. Urgent
   * calls go with the next entry. Faults: FAULT_STORE_DOWN, FAULT_DISK_FULL, FAULT_OVERLOADED (others
   * are always first), FAULT_STORE_CORRUPT, DATA_FORMAT_UNSUPPORTED, FAULT_STOPPING: also of all
   * calls below.
   */
  decide(decision: Decision, order: OrderTerms, isUrgent: boolean): Promise<Uint8Array>;
  getVerdict(chunk: ChunkRef): Promise<Uint8Array | undefined>;
  /**
   * Requests that the verdict accepted will never be issued: ends their claims and their hold on
   * their keys, gives back their quota. Once per request, however often it is called; nothing for
   * what was not accepted, or not decided.
   * @param indexes In the batch.
   */
  giveBack(chunk: ChunkRef, indexes: readonly number[]): Promise<void>;
  /** The certificate was revoked: its device may have another; key and quota stay taken. Idempotent. */
  releaseClaim(chunk: ChunkRef, index: number): Promise<void>;
  /** Others know the key of the request: nobody is issued a certificate for it any more. Idempotent. */
  blockKey(chunk: ChunkRef, index: number): Promise<void>;
  /** Requests that were accepted with the key, whether issued or not, newest first. */
  findByUdid(tenant: TenantId, udid: Uint8Array, limit: number): Promise<readonly RequestPlace[]>;
  /** The same by device. */
  findByDevice(tenant: TenantId, deviceId: string, limit: number): Promise<readonly RequestPlace[]>;
  /** As `CertificateStore.claimsOf`: one look, and one read of the entries that the requests are in. */
  claimsOf(
    tenant: TenantId,
    profileName: string,
    devices: readonly AllowListQuery[],
  ): Promise<readonly (readonly RequestPlace[])[]>;
  /** Certificates reserved or issued under the order. */
  reservedUnder(tenant: TenantId, orderId: OrderId): Promise<number>;
  /** Stores the view of a shard for those that begin; false where another process was first. */
  snapshot(shard: number): Promise<boolean>;
  /** Shards that are open here and of which no process has stored a snapshot for long. */
  snapshotsDue(): Promise<readonly number[]>;
}
