import { ApprovalRequired, isCertmillError } from '@certmill/domain';
import { RefusedCall } from './refused-call.js';
import { toProblem, type Problem } from './to-problem.js';
import { UploadBroken } from './upload-broken.js';

/**
 * The problem of anything that a call met: our errors, an upload that broke, approvals that are missing,
 * and errors of Nest and Fastify, which carry a status. The messages of the latter may quote the body: they
 * are not shown.
 */
export function problemOf(error: unknown, requestId: string): Problem {
  if (error instanceof UploadBroken) {
    return { ...problemOf(error.cause, requestId), ...error.resume };
  }
  const refused = refusalOf(error);
  if (refused !== undefined) {
    const { status, title } = refused;
    return { ...toProblem(refused, requestId), status, title };
  }
  if (error instanceof ApprovalRequired) return approvalProblem(error, requestId);
  if (isCertmillError(error)) return toProblem(error, requestId);
  const status = httpStatusOf(error);
  if (status === undefined || status >= 500) return toProblem(error, requestId);
  return {
    type: 'about:blank',
    title: titles[status] ?? 'The call is not valid',
    status,
    instance: `urn:uuid:${requestId}`,
    code: status === 404 ? 'NOT_FOUND' : status === 413 ? 'LIMIT_EXCEEDED' : 'INVALID_INPUT',
    requestId,
  };
}

/** With what is to be approved, as its approvers' tool takes it. */
function approvalProblem(error: ApprovalRequired, requestId: string): Problem {
  const { proposed } = error;
  return {
    ...toProblem(error, requestId),
    detail:
      `${error.message}. What is to be approved is 'proposed.operation', SHA-256 ${proposed.sha256}; ` +
      "send the same call with 'approvals'",
    proposed,
  };
}

const titles: Readonly<Record<number, string>> = {
  404: 'There is no such route',
  408: 'The call took too long',
  413: 'The body is over the limit',
  414: 'The URL is over the limit',
  415: 'The media type is not supported here',
  431: 'The headers are over the limit',
};

/** Readers wrap what the body threw, to say how far they came. */
function refusalOf(error: unknown): RefusedCall | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof RefusedCall) return at;
  }
  return undefined;
}

function httpStatusOf(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  // Nest's HttpException has getStatus(), Fastify's errors have statusCode.
  if ('getStatus' in error && typeof error.getStatus === 'function') {
    return Number((error.getStatus as () => unknown)());
  }
  if ('statusCode' in error && typeof error.statusCode === 'number') return error.statusCode;
  return undefined;
}
