import {
  CertmillError,
  faultCatalogue,
  type FaultCode,
  type ProposedOperation,
} from '@certmill/domain';

/**
 * When the same call may be sent again: `always` where the server did not take it up, `repeatable`
 * where it may have, so only a call that may happen twice.
 */
export type RetryRule = 'never' | 'repeatable' | 'always';

export interface ServerErrorParts {
  /** The code for people and scripts: the server's own where it gave one. */
  readonly shownCode: string;
  readonly message: string;
  readonly retry: RetryRule;
  /** HTTP status; absent where no answer came. */
  readonly status?: number;
  /** From Retry-After. */
  readonly retryAfterMs?: number;
  /** What the server wants approved. */
  readonly proposed?: ProposedOperation['operation'];
  readonly cause?: unknown;
}

/** A call that a server refused or that did not get through. */
export class ServerError extends CertmillError {
  readonly shownCode: string;
  readonly retry: RetryRule;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly proposed: ProposedOperation['operation'] | undefined;

  constructor(parts: ServerErrorParts) {
    super(faultOf(parts), parts.message, { cause: parts.cause });
    this.shownCode = parts.shownCode;
    this.retry = parts.retry;
    this.status = parts.status;
    this.retryAfterMs = parts.retryAfterMs;
    this.proposed = parts.proposed;
  }
}

function faultOf({ shownCode, retry }: ServerErrorParts): FaultCode {
  if (shownCode in faultCatalogue) return shownCode as FaultCode;
  return retry === 'never' ? 'INVALID_INPUT' : 'FAULT_OVERLOADED';
}
