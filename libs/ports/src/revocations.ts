import type {
  AuditEntry,
  BatchId,
  CertificateChange,
  ChainedAuditEntry,
  CrlReason,
  StatusOutcome,
  TenantId,
} from '@certmill/domain';

/** What one CRL is about (ADR 0020). Shard 0 of an issuer without shards is everything. */
export interface CrlScope {
  readonly issuer: string;
  readonly shard: number;
}

/** One issued certificate whose status is to change. Its caller read it from its segment. */
export interface StatusChange {
  readonly tenant: TenantId;
  readonly batchId: BatchId;
  readonly index: number;
  readonly scope: CrlScope;
  /** 20 octets, as in the certificate. */
  readonly serialNumber: Uint8Array;
  /** After it the certificate leaves the CRL, once it has stood in one beyond its end (RFC 5280 3.3). */
  readonly notAfterMs: number;
  /** `release` ends a certificateHold; nothing else can be taken back. */
  readonly change: CertificateChange;
}

/** What a CRL says of one certificate. */
export interface RevokedCertificate {
  readonly serialNumber: Uint8Array;
  readonly revokedAtMs: number;
  /** `removeFromCRL` in what changed since a base only. */
  readonly reason: CrlReason;
  readonly invalidityDateMs?: number;
  readonly notAfterMs: number;
}

/** A page of what a scope lists. */
export interface RevokedPageRequest {
  readonly limit: number;
  readonly after?: Uint8Array;
  readonly changedSince?: number;
  /**
   * Names a listing of the whole scope, the same in each of its pages and in none of another one. A page
   * without it that has an `after` is a look at some rows: whether they are all may be checked nowhere.
   */
  readonly listing?: string;
  /** These are left out. */
  readonly without?: EndedRows;
}

/** Rows of certificates that ended before a time, in the form that they had after so many changes of the scope. */
export interface EndedRows {
  readonly endedBeforeMs: number;
  readonly changes: number;
}

/** What follows from the changes of a scope: its CRLs, and the responses that are signed ahead. */
export type ScopeFollower = StoredCrl['kind'] | 'presigned';

/** A scope of which a follower has another number of changes than there are. */
export interface ChangedScope extends CrlScope {
  /** NaN where what is stored of the scope is refused: `countChanges` says why. */
  readonly changes: number;
  /** Of the last of them. */
  readonly changedAtMs: number;
  /** So many of them the follower has. */
  readonly followed: number;
}

export interface ChangedScopesPage {
  /** Only scopes of these. */
  readonly issuers: readonly string[];
  readonly limit: number;
  /** Exclusive; scopes come in an order of the store's own. */
  readonly after?: CrlScope;
}

export interface RevocationStore {
  /**
   * Applies the changes in their order, durable before it resolves; resolves to their outcomes,
   * aligned (`changedStatus` of @certmill/domain says which). O(1) each. No status without its row of
   * the scope; a revocation for good releases the device's live claim. Two callers at once: each
   * certificate changes once. Faults: NOT_FOUND where one was never issued, INVALID_INPUT for a serial
   * number of another length: nothing was changed. After other faults some may be applied: the same
   * call again does the rest.
   */
  changeStatuses(changes: readonly StatusChange[]): Promise<readonly StatusOutcome[]>;
  /**
   * How many changes the scope has had, 0 where none. Asked before its rows are read, it says what a
   * CRL of them has at least: clocks of several processes could not.
   */
  countChanges(scope: CrlScope): Promise<number>;
  /**
   * What is revoked or held in a scope, ascending by serial number, from `after` (exclusive) on.
   * `changedSince`: only what changed after the scope had had so many changes, with released ones as
   * removeFromCRL. A page with fewer than `limit` entries is the last one. A row is there for good: clocks
   * decide what is listed (`without`), and a clock that was ahead has taken nothing away when it is right again.
   * Faults: FAULT_STATUS_FORGED where the rows are not those that were recorded, of a listing with its last
   * page at the latest; FAULT_OVERLOADED where a page does not go on where the one before it in the listing
   * ended, or the store knows that no more: it begins anew.
   */
  listRevoked(scope: CrlScope, page: RevokedPageRequest): Promise<readonly RevokedCertificate[]>;
  /**
   * Scopes of which the follower does not have exactly the changes that there are: the CRL in force of
   * that kind (`StoredCrl.changes`), or what `notePresigned` told. A page with fewer than `limit` is
   * the last one.
   */
  listChangedScopes(
    follower: ScopeFollower,
    page: ChangedScopesPage,
  ): Promise<readonly ChangedScope[]>;
  /** The responses that are signed ahead have so many changes of the scope, no more and no fewer. */
  notePresigned(scope: CrlScope, changes: number): Promise<void>;
  /** As it was noted, 0 where it never was. */
  countPresigned(scope: CrlScope): Promise<number>;
}

/** A CRL as it is served. */
export interface StoredCrl {
  readonly scope: CrlScope;
  readonly kind: 'full' | 'delta';
  readonly crlNumber: bigint;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  readonly entries: number;
  /** Changes of the scope that it has (`RevocationStore.countChanges`); a delta is based on these. */
  readonly changes: number;
  /** A full one that points to deltas (freshestCRL, RFC 5280 5.2.6). */
  readonly hasDeltas: boolean;
  readonly der: Uint8Array;
}

export interface CrlStore {
  /**
   * Puts a CRL in the place of the one with the number `replaces`, undefined: of none. False where
   * another is in force, or its own number is not above: what its maker did not know of stays.
   */
  putCrl(crl: StoredCrl, replaces: bigint | undefined): Promise<boolean>;
  getCrl(scope: CrlScope, kind: StoredCrl['kind']): Promise<StoredCrl | undefined>;
  /** Without the DER: what a server checks its cache by, and the next number. */
  describeCrl(
    scope: CrlScope,
    kind: StoredCrl['kind'],
  ): Promise<Omit<StoredCrl, 'der'> | undefined>;
}

export interface AuditStore {
  /** Durable before it resolves. */
  appendAudit(entry: AuditEntry): Promise<ChainedAuditEntry>;
  /** Ascending by sequence, from `after` (exclusive) on. */
  listAudit(page: {
    readonly limit: number;
    readonly after?: number;
  }): Promise<readonly ChainedAuditEntry[]>;
}
