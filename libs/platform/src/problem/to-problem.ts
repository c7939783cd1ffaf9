import { isCertmillError, rejectionCatalogue, type Rejection } from '@certmill/domain';
import { faultStatus, wireStatus } from './wire-status.js';

/** A problem document (RFC 9457). Clients switch on `code`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly instance: string;
  readonly code?: string;
  readonly detail?: string;
  readonly requestId?: string;
  readonly errors?: readonly { readonly code: string; readonly detail: string }[];
  /** What this problem adds, e.g. `batchId` and `nextIndex` of an upload that broke. */
  readonly [extension: string]: unknown;
}

const problems = 'https://certmill.example/problems/';

/** The `type` of a code: stable, documented in docs/errors.md under the same anchor. */
export function problemTypeOf(code: string): string {
  return problems + problemAnchorOf(code);
}

/** The code in kebab-case: its anchor in docs/errors.md. */
export function problemAnchorOf(code: string): string {
  return code.toLowerCase().replaceAll('_', '-');
}

/** The problem of a thrown error. What we do not know is a bare 500: nothing of it is shown. */
export function toProblem(error: unknown, requestId: string): Problem {
  const instance = `urn:uuid:${requestId}`;
  if (!isCertmillError(error)) {
    return { type: 'about:blank', title: 'Internal Server Error', status: 500, instance };
  }
  const { http, title, showsDetail } = faultStatus[error.code];
  return {
    type: problemTypeOf(error.code),
    title,
    status: http,
    ...(showsDetail ? { detail: error.message } : {}),
    instance,
    code: error.code,
    requestId,
  };
}

/** The problem of a rejected request, where one request is one call. */
export function rejectionProblem(rejection: Rejection, requestId: string): Problem {
  return {
    type: problemTypeOf(rejection.code),
    title: rejectionCatalogue[rejection.code].title,
    status: wireStatus[rejection.code].http,
    detail: rejection.detail,
    instance: `urn:uuid:${requestId}`,
    code: rejection.code,
    requestId,
  };
}
