import { CertmillError, type FaultCode } from '@certmill/domain';

/** What HTTP itself says no to; these have a status of their own beside the code. */
const refusals = {
  405: { code: 'INVALID_INPUT', title: 'The method is not allowed here' },
  408: { code: 'INVALID_INPUT', title: 'The call took too long' },
  415: { code: 'INVALID_INPUT', title: 'The media type is not supported here' },
  429: { code: 'FAULT_OVERLOADED', title: 'Too many calls at once' },
} as const satisfies Record<number, { readonly code: FaultCode; readonly title: string }>;

export type RefusalStatus = keyof typeof refusals;

/** A call that HTTP refuses before anything was taken; `message` is safe to show. */
export class RefusedCall extends CertmillError {
  readonly status: RefusalStatus;

  constructor(status: RefusalStatus, message: string, options?: { readonly cause?: unknown }) {
    super(refusals[status].code, message, options);
    this.status = status;
  }

  get title(): string {
    return refusals[this.status].title;
  }
}
