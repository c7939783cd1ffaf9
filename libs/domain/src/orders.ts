import type { BatchId, Lane, OrderId, TenantId } from './ids.js';

/**
 * What a key of the API may do. `admin` opens tenants and credentials, `operator` orders, `factory`
 * uploads, `auditor` reads.
 */
export type Role = 'admin' | 'operator' | 'factory' | 'auditor';

export interface Credential {
  /** SHA-256 of the API key, hex: the key itself is never stored. */
  readonly keyHash: string;
  readonly tenant: TenantId;
  readonly role: Role;
  readonly label: string;
  readonly createdAtMs: number;
}

/** The authorization to issue at most `quota` certificates of one profile until a date. */
export interface Order {
  readonly tenant: TenantId;
  readonly orderId: OrderId;
  readonly profileName: string;
  /** SHA-256 of the canonical profile, hex: the profile is pinned when the order is opened. */
  readonly profileHash: string;
  readonly issuer: string;
  /**
   * How many requests its chunks are cut to (ADR 0017): pinned, so that an upload that is sent again
   * meets the chunks of the first. `leastRequestsPerChunk` where absent.
   */
  readonly requestsPerChunk?: number;
  readonly quota: number;
  /** True where devices must be on the order's allow-list. */
  readonly requiresAllowList: boolean;
  /**
   * Its certificates take the place of those that their devices hold under the same profile name: the
   * live claim moves from the old request to the new one. Absent: such a device is refused.
   */
  readonly renews?: true;
  /**
   * A mass reissue has opened it, and only the operation of its name uploads into it: what that brings has been
   * issued to those devices before, so no list stands between them and it.
   */
  readonly reissues?: true;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly closedAtMs?: number;
  /** Id of the list in force, absent until one is imported. */
  readonly allowListId?: string;
  readonly allowListDevices?: number;
}

/** Conservation (DESIGN 3.3): accepted = issued + rejected + cancelled + deadLettered + inFlight. */
export interface Counters {
  readonly accepted: number;
  readonly issued: number;
  readonly rejected: number;
  readonly cancelled: number;
  readonly deadLettered: number;
}

export interface Batch {
  readonly tenant: TenantId;
  readonly batchId: BatchId;
  readonly orderId: OrderId;
  readonly lane: Lane;
  readonly idempotencyKey: string;
  readonly createdAtMs: number;
  /** The first index that is not durable yet: an upload resumes here; always a chunk boundary. */
  readonly nextIndex: number;
  /** Known once the upload ended: the number of requests of the batch. */
  readonly total?: number;
  readonly cancelledAtMs?: number;
  /** Its upload was not whole when the store was restored from a backup: nothing can resume it. */
  readonly brokenOffAtMs?: number;
  readonly completedAtMs?: number;
  readonly counters: Counters;
}

export function inFlightOf(counters: Counters): number {
  const { accepted, issued, rejected, cancelled, deadLettered } = counters;
  return accepted - issued - rejected - cancelled - deadLettered;
}

/**
 * Whether nothing of the batch is on its way any more; a cancelled batch, or one that was broken off,
 * takes no further requests: chunks of it that were registered and not durable by then are none of it.
 * What is left may be dead letters, until an operator retries or drops them.
 */
export function isComplete(batch: Batch): boolean {
  const uploaded =
    batch.cancelledAtMs !== undefined ||
    batch.brokenOffAtMs !== undefined ||
    batch.nextIndex === batch.total;
  return uploaded && inFlightOf(batch.counters) === 0;
}
