/**
 * Faults: we, or what we depend on, are at fault (a rejection is the request's fault).
 * The disposition decides what the stage does; see docs/errors.md.
 */
export type FaultDisposition = 'retry' | 'dead-letter' | 'halt' | 'refuse';

/** `refuse`: the caller's configuration, command or call is wrong; nothing was changed. */
export const faultCatalogue = {
  FAULT_HSM_BUSY: 'retry',
  FAULT_HSM_LOST: 'retry',
  FAULT_HSM_REFUSED: 'retry',
  FAULT_ISSUER_UNKNOWN: 'retry',
  FAULT_BUS_DOWN: 'retry',
  FAULT_STORE_DOWN: 'retry',
  FAULT_DISK_FULL: 'retry',
  FAULT_OVERLOADED: 'retry',
  FAULT_WORKER_LOST: 'retry',
  FAULT_STOPPING: 'retry',
  FAULT_EVENT_UNDECODABLE: 'dead-letter',
  FAULT_EVENT_FORGED: 'dead-letter',
  FAULT_VERDICT_FORGED: 'dead-letter',
  FAULT_STATUS_FORGED: 'halt',
  FAULT_LINT_FAILED: 'dead-letter',
  FAULT_PROCESSING: 'dead-letter',
  FAULT_SERIAL_COLLISION: 'halt',
  FAULT_CLOCK_BACKWARDS: 'halt',
  FAULT_KEY_MISMATCH: 'halt',
  FAULT_AUDIT_BROKEN: 'halt',
  FAULT_STORE_CORRUPT: 'halt',
  CONFIG_INVALID: 'refuse',
  PROFILE_INVALID: 'refuse',
  DATA_FOLDER_IN_USE: 'refuse',
  DATA_FORMAT_UNSUPPORTED: 'refuse',
  NOT_FOUND: 'refuse',
  CONFLICT: 'refuse',
  INVALID_INPUT: 'refuse',
  UNAUTHENTICATED: 'refuse',
  FORBIDDEN: 'refuse',
  APPROVAL_REQUIRED: 'refuse',
  LIMIT_EXCEEDED: 'refuse',
  STEP_WAITS: 'refuse',
} as const satisfies Record<string, FaultDisposition>;

export type FaultCode = keyof typeof faultCatalogue;

/** The one error type that Certmill throws. `message` is safe to show; causes go to the log only. */
export class CertmillError extends Error {
  readonly code: FaultCode;

  constructor(code: FaultCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'CertmillError';
    this.code = code;
  }

  get disposition(): FaultDisposition {
    return faultCatalogue[this.code];
  }
}

/** True for a CertmillError, also one of another realm or copy of this module. */
export function isCertmillError(error: unknown): error is CertmillError {
  return (
    typeof error === 'object' &&
    error !== null &&
    'name' in error &&
    error.name === 'CertmillError' &&
    'message' in error &&
    'code' in error &&
    typeof error.code === 'string' &&
    error.code in faultCatalogue
  );
}

/** To whom a stop leaves in the middle. */
export function stoppingFault(): CertmillError {
  return new CertmillError('FAULT_STOPPING', 'the server is stopping; go on when it is back');
}
