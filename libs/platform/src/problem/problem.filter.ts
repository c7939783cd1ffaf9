import { Catch, HttpException, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { isCertmillError } from '@certmill/domain';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { loggerToken } from '../observability/logger.js';
import { toProblem, type Problem } from './to-problem.js';
import { UploadBroken } from './upload-broken.js';

/** The one place where an error becomes an answer. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #logger: Logger;

  constructor(@Inject(loggerToken) logger: Logger) {
    this.#logger = logger;
  }

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    sendProblem(
      http.getRequest<FastifyRequest>(),
      http.getResponse<FastifyReply>(),
      error,
      this.#logger,
    );
  }
}

export function sendProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  error: unknown,
  logger: Logger,
): void {
  const problem = problemOf(error, request.id);
  if (problem.status >= 500) {
    logger.error({ requestId: request.id, err: error, code: problem.code }, 'call failed');
  }
  if (reply.sent || reply.raw.headersSent) {
    reply.raw.destroy();
    return;
  }
  if (problem.status === 401) void reply.header('www-authenticate', 'Bearer');
  if (problem.status === 503 || problem.status === 429) void reply.header('retry-after', '1');
  // An unread body would keep the connection busy: let the client see the answer, then hang up.
  if (!request.raw.complete) void reply.header('connection', 'close');
  void reply.status(problem.status).type('application/problem+json').send(JSON.stringify(problem));
}

function problemOf(error: unknown, requestId: string): Problem {
  if (error instanceof UploadBroken) {
    return { ...toProblem(error.cause, requestId), ...error.resume };
  }
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

const titles: Readonly<Record<number, string>> = {
  404: 'There is no such route',
  405: 'The method is not allowed here',
  408: 'The call took too long',
  413: 'The body is over the limit',
  415: 'The media type is not supported here',
  429: 'Too many calls',
};

/** Errors of Nest and Fastify carry a status; their messages may quote the body, so only it is used. */
function httpStatusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number') {
    return error.statusCode;
  }
  return undefined;
}
