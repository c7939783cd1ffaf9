import { isName } from '@certmill/domain';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { callerOf } from '../auth/callers.js';

/** What the log says of a call that ended. */
export interface CallLine {
  readonly requestId: string;
  readonly method: string;
  /** The route's pattern; `none` where there is no such route. */
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
  /** Absent where the call has no valid credential. */
  readonly tenant?: string;
  readonly orderId?: string;
  readonly batchId?: string;
}

const batchIdPattern = /^[0-9a-f]{26}$/;

/**
 * Nothing of the URL, the headers or the body but ids that look like ids: clients put keys in the wrong
 * places.
 */
export function callLineOf(request: FastifyRequest, reply: FastifyReply): CallLine {
  const tenant = callerOf(request)?.tenant;
  const { orderId, batchId } = (request.params ?? {}) as Readonly<
    Record<string, string | undefined>
  >;
  return {
    requestId: request.id,
    method: request.method,
    route: request.routeOptions.url ?? 'none',
    status: reply.statusCode,
    seconds: reply.elapsedTime / 1000,
    ...(tenant === undefined ? {} : { tenant }),
    ...(orderId !== undefined && isName(orderId) ? { orderId } : {}),
    ...(batchId !== undefined && batchIdPattern.test(batchId) ? { batchId } : {}),
  };
}
