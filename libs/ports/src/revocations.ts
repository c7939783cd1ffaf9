import type { BatchId, CrlReason, RevocationReason, TenantId } from '@certmill/domain';

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
  /** After it the certificate leaves the CRL, which then has stood in one beyond its end (RFC 5280 3.3). */
  readonly notAfterMs: number;
  /** `release` ends a certificateHold; nothing else can be taken back. */
  readonly change:
    | {
        readonly kind: 'revoke';
        readonly reason: RevocationReason;
        readonly revokedAtMs: number;
        /** When the key is known to have been lost (RFC 5280 5.3.2). */
        readonly invalidityDateMs?: number;
      }
    | { readonly kind: 'release'; readonly releasedAtMs: number };
}

/**
 * `unchanged`: it is so already (of two revocations the first one's time stays). `refused`: a
 * certificate that is revoked for good gets no other reason, and one that is not held cannot be released;
 * a held one may be revoked for good.
 */
export type StatusOutcome = 'changed' | 'unchanged' | 'refused';

/** What a CRL says of one certificate. */
export interface RevokedCertificate {
  readonly serialNumber: Uint8Array;
  readonly revokedAtMs: number;
  /** `removeFromCRL` in what changed since a base only. */
  readonly reason: CrlReason;
  readonly invalidityDateMs?: number;
  readonly notAfterMs: number;
}

export interface RevocationStore {
  /**
   * Applies the changes, all or none, durable before it resolves; resolves to their outcomes, aligned.
   * Status and row of the scope change in the same effect; a revocation releases the device's live
   * claim. O(1) each. Two callers at once: each certificate changes once.
   */
  changeStatuses(changes: readonly StatusChange[]): Promise<readonly StatusOutcome[]>;
  /**
   * What is revoked or held in a scope, ascending by serial number, from `after` (exclusive) on.
   * `changedSinceMs`: only what changed at or after that time, with released ones as removeFromCRL.
   */
  listRevoked(
    scope: CrlScope,
    page: {
      readonly limit: number;
      readonly after?: Uint8Array;
      readonly changedSinceMs?: number;
    },
  ): Promise<readonly RevokedCertificate[]>;
  /** Removes rows whose certificates ended before; of those that were in a CRL since. */
  forgetExpired(scope: CrlScope, endedBeforeMs: number): Promise<number>;
  /** Scopes with changes that no stored full CRL has: `changedAtMs` is the latest of them. */
  listDirtyScopes(limit: number): Promise<readonly (CrlScope & { readonly changedAtMs: number })[]>;
}

/** A CRL as it is served. */
export interface StoredCrl {
  readonly scope: CrlScope;
  readonly kind: 'full' | 'delta';
  readonly crlNumber: bigint;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  readonly entries: number;
  readonly der: Uint8Array;
}

export interface CrlStore {
  /** Stored where its number is above that of the one in force; false where it is not. */
  putCrl(crl: StoredCrl): Promise<boolean>;
  getCrl(scope: CrlScope, kind: StoredCrl['kind']): Promise<StoredCrl | undefined>;
  /** Without the DER: what a server checks its cache by, and the next number. */
  describeCrl(
    scope: CrlScope,
    kind: StoredCrl['kind'],
  ): Promise<Omit<StoredCrl, 'der'> | undefined>;
}

/** One entry of the audit trail: who did what, when, and what came of it. */
export interface AuditEntry {
  readonly atMs: number;
  /** Tenant it is about; absent: the installation. */
  readonly tenant?: TenantId;
  /** Label of the credential, or the command and the user of the system that ran it. */
  readonly actor: string;
  /** `certificate.revoked`, `issuer.created`, `profile.added`, ... */
  readonly action: string;
  /** What it was done to and how; never secrets. */
  readonly detail: Readonly<Record<string, string | number | boolean>>;
}

/** An entry in its place: each has the hash of the one before, so that none can be changed or left out. */
export interface ChainedAuditEntry extends AuditEntry {
  readonly sequence: number;
  /** SHA-256 over the canonical entry and the hash before, hex. */
  readonly hash: string;
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
