import type { RevocationReason } from './certificate-status.js';
import type { FaultCode } from './faults.js';
import type { BatchId, OrderId, TenantId } from './ids.js';

/** Which certificates of a tenant a mass operation is about: those that meet every part given. */
export interface MassSelection {
  readonly orderId?: OrderId;
  readonly batchId?: BatchId;
  /** Of the device on the allow-list of its order. */
  readonly site?: string;
  /** Of the order that they were issued under. */
  readonly profileName?: string;
  readonly issuer?: string;
  /** Of devices that hold a good certificate of this order too: of a reissue or renewal, or any other. */
  readonly renewedBy?: OrderId;
}

/** What becomes of each certificate. */
export type MassWork =
  | {
      readonly kind: 'revoke';
      readonly reason: RevocationReason;
      /** When the keys are known to have been lost (RFC 5280 5.3.2). */
      readonly invalidityDateMs?: number;
    }
  | {
      /**
       * `reissue`: the stored request (same key) is issued once more, under another issuer or profile.
       * `renew`: an order is opened for the device, whose new request is yet to come.
       */
      readonly kind: 'reissue' | 'renew';
      readonly issuer: string;
      readonly profileName: string;
      /** Of the order that the new certificates are issued under. */
      readonly expiresAtMs: number;
    };

/** `failed` and `paused` ones can be gone on with, `done` and `cancelled` ones are over. */
export type MassState = 'running' | 'paused' | 'done' | 'cancelled' | 'failed';

/** A batch of the frozen selection: requests from `nextIndex` on came later and are none of it. */
export interface FrozenBatch {
  readonly batchId: BatchId;
  readonly orderId: OrderId;
  readonly nextIndex: number;
}

/** Of a page of a frozen selection, but for the last one. */
export const frozenPageBatches = 500;

/** Where a mass operation goes on; everything before it is durable. */
export interface MassCursor {
  /** Position in the frozen selection. */
  readonly batch: number;
  readonly chunkNumber: number;
  /** Of a reissue: where the requests of this chunk begin in the batch that they are issued in. */
  readonly targetIndex: number;
  /**
   * The time of the step that was begun here, absent between steps. A step that is done again after
   * a crash has the same time, so that what it did before can be told from what others did.
   */
  readonly begunAtMs?: number;
  /** Of a reissue: the batch that `targetIndex` is of. After a restore the store's epoch gives another. */
  readonly target?: BatchId;
  /** Of a step of a reissue that was begun: what it uploads, the same when it is done again. */
  readonly upload?: {
    /** Indexes of certificates of the chunk that get no other. */
    readonly passedOver: readonly number[];
    /** Of the others, how many, the first ones, are in a batch that a restore broke off. */
    readonly uploaded: number;
  };
  /**
   * Of a revocation, behind the last batch: the chunk of the step, which was on its way before. The
   * chunk number counts these steps.
   */
  readonly late?: { readonly batch: number; readonly chunkNumber: number };
  /** The step begins then at the earliest, and the end comes then: the rate allows no more. */
  readonly dueAtMs?: number;
}

/** Chunks `from` to `to` of a batch, by its position in the frozen selection. */
export interface PendingChunks {
  readonly batch: number;
  readonly from: number;
  readonly to: number;
}

/** Of requests. What is looked at is selected, passed over or pending. */
export interface MassCounts {
  /** Of the frozen selection, whatever became of them. */
  readonly requests: number;
  readonly lookedAt: number;
  /** Certificates that meet the selection. */
  readonly selected: number;
  /**
   * On their way when they were looked at. A revocation looks at them again until they have ended; of
   * others, what comes of them is not in the operation.
   */
  readonly pending: number;
  /** Revoked by the operation; before, for the same reason; for good for another reason. */
  readonly changed: number;
  readonly unchanged: number;
  readonly refused: number;
  /**
   * Of a reissue: requests uploaded again; certificates revoked, on hold or ended, which are not. Of a
   * renewal: those whose devices may renew, and those that may not.
   */
  readonly submitted: number;
  readonly skipped: number;
  /** What came of those that were submitted. */
  readonly issued: number;
  readonly rejected: number;
  readonly deadLettered: number;
}

export const noMassCounts: MassCounts = {
  requests: 0,
  lookedAt: 0,
  selected: 0,
  pending: 0,
  changed: 0,
  unchanged: 0,
  refused: 0,
  submitted: 0,
  skipped: 0,
  issued: 0,
  rejected: 0,
  deadLettered: 0,
};

/** A job over many certificates. Its selection was frozen when it began. */
export interface MassOperation {
  readonly tenant: TenantId;
  /** Chosen by the caller: asking twice is asking once. Of a reissue or renewal, the name of its order too. */
  readonly operationId: string;
  readonly selection: MassSelection;
  readonly work: MassWork;
  /** Certificates a second at most. */
  readonly ratePerSecond?: number;
  /** Names the pages of its frozen selection. */
  readonly freezeId: string;
  /** Certificates that were selected at most when it was frozen: the quota of the order. */
  readonly quota: number;
  readonly createdAtMs: number;
  /** As the audit trail names them. */
  readonly createdBy: string;
  readonly state: MassState;
  /** When it was done, cancelled, failed or paused. */
  readonly endedAtMs?: number;
  readonly cursor: MassCursor;
  readonly counts: MassCounts;
  /** Of a revocation: what it has yet to look at again, in the order of the selection. */
  readonly pending?: readonly PendingChunks[];
  /** Why it failed, or what keeps it from going on. */
  readonly failure?: { readonly code: FaultCode; readonly message: string; readonly atMs: number };
  /** Grows with every change. */
  readonly version: number;
}

export function isOver({ state }: Pick<MassOperation, 'state'>): boolean {
  return state === 'done' || state === 'cancelled';
}
