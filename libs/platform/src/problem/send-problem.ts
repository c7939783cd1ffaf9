import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { problemOf } from './problem-of.js';
import type { Problem } from './to-problem.js';

export const problemMediaType = 'application/problem+json';

/** How long a client may go on sending a body that nobody reads before the connection is cut. */
const drainMs = 2_000;

/** Answers with the problem of an error; a 5xx goes to the log with its causes. */
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
  writeProblem(request, reply, problem);
}

/** Where the answer has begun already, the connection is cut instead. */
export function writeProblem(request: FastifyRequest, reply: FastifyReply, problem: Problem): void {
  if (reply.sent || reply.raw.headersSent) {
    reply.raw.destroy();
    return;
  }
  if (problem.status === 401) void reply.header('www-authenticate', 'Bearer');
  if (problem.status === 503 || problem.status === 429) void reply.header('retry-after', '1');
  if (!request.raw.complete) drain(request.raw);
  void reply.status(problem.status).type(problemMediaType).send(JSON.stringify(problem));
}

/**
 * Reads on and throws away: a connection that is closed with unread octets is reset, and the client
 * would lose the answer. Most clients stop sending when they see it; the others are cut.
 */
function drain(body: IncomingMessage): void {
  const timer = setTimeout(() => body.socket.destroy(), drainMs);
  timer.unref();
  body.once('end', () => clearTimeout(timer));
  body.once('close', () => clearTimeout(timer));
  body.on('error', () => clearTimeout(timer));
  body.resume();
}
