import { CertmillError } from './faults.js';

/** What is to be done, as its approvers sign it, and how many of whom have to. */
export interface ProposedOperation {
  readonly operation: {
    readonly kind: string;
    /** 32 hex digits at random: two runs of the same are two operations. */
    readonly id: string;
    /** JSON: everything that decides what is done. */
    readonly parameters: Readonly<Record<string, unknown>>;
  };
  /** Of the canonical operation, hex: what approvals are bound to. */
  readonly sha256: string;
  readonly threshold: number;
  /** Names. */
  readonly approvers: readonly string[];
}

/** The fault of something sensitive that not enough people approved; nothing was done or used up. */
export class ApprovalRequired extends CertmillError {
  readonly proposed: ProposedOperation;

  constructor(message: string, proposed: ProposedOperation) {
    super('APPROVAL_REQUIRED', message);
    this.proposed = proposed;
  }
}
