/** Approvals that an operation used up. */
export interface UsedApprovals {
  /** Of the operation: 32 hex digits. */
  readonly operationId: string;
  /** What used them: an operation that was killed is gone on with by the same use only. */
  readonly useId: string;
  /** ISO 8601. */
  readonly usedAt: string;
  readonly kind: string;
  /** Of the operation in all of its parameters, hex. */
  readonly sha256: string;
  /** As they were signed. */
  readonly approvals: readonly unknown[];
  /** ISO 8601: what was approved is done, and its use too cannot go on. */
  readonly endedAt?: string;
}

/** What keeps an operation that needs a quorum from being done twice. */
export interface ApprovalLedger {
  /** The use of an operation, as it is stored; undefined where there was none. */
  findUse(operationId: string): Promise<UsedApprovals | undefined>;
  /**
   * Insert if absent by `operationId`. Resolves to the record in force: the one given, durable, or that
   * of an earlier use, whatever its content.
   */
  useApprovals(used: UsedApprovals): Promise<UsedApprovals>;
}

/** Something that is done with approvals only, where the installation has a quorum. */
export interface SensitiveOperation {
  readonly kind:
    'profile-change' | 'mass-revocation' | 'mass-reissue' | 'issuer-creation' | 'root-use';
  /** JSON: everything that decides what is done. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** What somebody who asks for a sensitive operation has got. */
export interface GivenApprovals {
  /** Files of `certmill ceremony approve`, read; not looked at before. */
  readonly approvals: readonly unknown[];
  /**
   * Of an operation that has one effect however often it is done: what was killed goes on under the same
   * id. Absent: done once.
   */
  readonly useId?: string;
}

/** Asks for the quorum of an installation; one without lets everything pass. */
export interface OperationGate {
  /**
   * Uses approvals up, durably, before it resolves; undefined where none are asked for. Faults:
   * APPROVAL_REQUIRED (an `ApprovalRequired`: nothing is used up), INVALID_INPUT for what is no
   * approval, CONFLICT where they were used before, CONFIG_INVALID where the policy cannot be read.
   */
  demand(operation: SensitiveOperation, given: GivenApprovals): Promise<UsedApprovals | undefined>;
  /** Always throws: APPROVAL_REQUIRED with what would be approved, CONFLICT where none are asked for. */
  propose(operation: SensitiveOperation): Promise<never>;
}
