import { NotFoundException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RouteTable } from '../http/route-table.js';
import { RefusedCall } from './refused-call.js';

/** Why a call met no route: no such path (404), or a path that takes other methods (405). */
export function noSuchRoute(
  request: FastifyRequest,
  reply: FastifyReply,
  routes: RouteTable,
): Error {
  const methods = routes.methodsOf(request.url);
  if (methods.length === 0) return new NotFoundException();
  void reply.header('allow', methods.join(', '));
  return new RefusedCall(405, `this path takes ${methods.join(', ')}`);
}
