import type { RevocationReason } from './certificate-status.js';
import type { FaultCode } from './faults.js';
import type { BatchId, OrderId, TenantId } from './ids.js';
import type { ChunkPlace, OutcomeRun, UploadedPart } from './mass-outcomes.js';

/** Which certificates of a tenant a mass operation is about: those that meet every part given. */
export interface MassSelection {
  readonly orderId?: OrderId;
  readonly batchId?: BatchId;
  /** Of the device on the allow-list of its order that is in force when its chunk is looked at. */
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

/** New certificates for devices. */
export type ReissueWork = Exclude<MassWork, { kind: 'revoke' }>;

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

/** Whose claim a request takes over that is submitted for the certificate at `index`. */
export interface DisplacedClaim {
  readonly index: number;
  readonly holder: { readonly batchId: BatchId; readonly index: number };
}

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
  /**
   * Of a reissue: how many batches stand before the target for the same batch, each closed because
   * a step was planned anew: a run that hung may have been about to upload there what was planned before.
   */
  readonly closed?: number;
  /** Of a step of a reissue that was begun: its chunk was on its way, and is passed over for now. */
  readonly isPending?: true;
  /** Of a step of a reissue that was begun: what it uploads, the same when it is done again. */
  readonly upload?: {
    /** What becomes of the certificates of the chunk. */
    readonly runs: readonly OutcomeRun[];
    /** Of those submitted the first ones: they are in batches that a restore broke off. */
    readonly before: readonly UploadedPart[];
    /** Of those submitted some, whose device's claim another certificate holds that stands for nothing. */
    readonly displaced?: readonly DisplacedClaim[];
  };
  /**
   * Behind the last batch: the chunk of the step, which was on its way before. The chunk number counts
   * these steps.
   */
  readonly late?: ChunkPlace;
  /**
   * The step begins then at the earliest, and the end comes then: the rate allows no more. Since its last step
   * began: where that is to come, a clock was ahead.
   */
  readonly rest?: { readonly sinceMs: number; readonly untilMs: number };
}

/**
 * Of requests. What is looked at is selected, pending, or meets the selection not. Selected are those
 * changed, unchanged, refused, submitted and skipped; submitted, once a reissue is done, those issued and rejected.
 */
export interface MassCounts {
  /** Of the frozen selection, whatever became of them. */
  readonly requests: number;
  readonly lookedAt: number;
  /** Certificates that meet the selection. */
  readonly selected: number;
  /**
   * On their way when they were last looked at; looked at again until they have ended.
   */
  readonly pending: number;
  /** By `MassOutcome`. */
  readonly changed: number;
  readonly unchanged: number;
  readonly refused: number;
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

/** A change of an operation's state that nothing stops any more; whoever finds it left over sees to it. */
export interface DecidedState {
  /** `running` where it has begun or is resumed. */
  readonly state: MassState;
  readonly atMs: number;
  /** Who asked for it, as the audit trail names them; absent where a run came to it. */
  readonly actor?: string;
  /** When somebody else took over from whoever decided it. */
  readonly takenAtMs?: number;
}

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
  /** Batches of its frozen selection. */
  readonly frozenBatches: number;
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
  /** Of what was on its way, the chunk up to which it was looked at again; from the first on where absent. */
  readonly lateUpTo?: ChunkPlace;
  /** Of a renewal: how many were submitted when its allow-list was put in force. */
  readonly listed?: number;
  /** Why it failed, or what keeps it from going on. */
  readonly failure?: { readonly code: FaultCode; readonly message: string; readonly atMs: number };
  /** What it is about to become: it is `running` until the audit trail has it, and works on nothing. */
  readonly decided?: DecidedState;
  /** Sequence of the entry of its begin in the audit trail, once it has it: none about it is before. */
  readonly begunEntry?: number;
  /** Names the run that has changed it last: of two at once, the one that comes second stores nothing. */
  readonly writer?: string;
  /** Names the last save of a run, so that the run knows its own whose answer was lost. */
  readonly saveId?: string;
  /** Grows with every change. */
  readonly version: number;
}

export function isOver({ state }: Pick<MassOperation, 'state'>): boolean {
  return state === 'done' || state === 'cancelled';
}
