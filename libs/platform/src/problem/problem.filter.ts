import { Catch, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { loggerToken } from '../observability/logger.js';
import { RouteTable } from '../http/route-table.js';
import { RefusedCall } from './refused-call.js';
import { sendProblem } from './send-problem.js';

/** The one place where an error of a controller becomes an answer. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #logger: Logger;
  readonly #routes: RouteTable;

  constructor(@Inject(loggerToken) logger: Logger, @Inject(RouteTable) routes: RouteTable) {
    this.#logger = logger;
    this.#routes = routes;
  }

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const methods = request.is404 ? this.#routes.methodsOf(request.url) : [];
    if (methods.length === 0) {
      sendProblem(request, reply, error, this.#logger);
      return;
    }
    void reply.header('allow', methods.join(', '));
    const refused = new RefusedCall(405, `this path takes ${methods.join(', ')}`);
    sendProblem(request, reply, refused, this.#logger);
  }
}
