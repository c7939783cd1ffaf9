import { NotFoundException } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { readStatusCall } from '../status/status-call.js';
import { tryLaterReply, type StatusReply } from '../status/status-reply.js';
import { OcspSlots } from './call-slots.js';
import { hasTag } from './entity-tag.js';
import { PipelinedCalls } from './pipelined-calls.js';
import type { IssuanceServices } from './services.js';
import { untilClosed } from './until-closed.js';

/** A signed request with its certificates fits. */
const maxRequestBytes = 16_384;

/** OCSP beside everything else, for installations without a face of its own (RFC 6960 A.1). */
export function addStatusRoutes(
  fastify: FastifyInstance,
  { answerStatus }: Pick<IssuanceServices, 'answerStatus'>,
): void {
  if (answerStatus === undefined) return;
  const pipelined = new PipelinedCalls();
  const slots = new OcspSlots();
  const gone = new WeakMap<FastifyRequest, AbortSignal>();
  /** Before a body is read. */
  const admit = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    if (reply.raw.destroyed || !pipelined.take(request.raw.socket, reply.raw)) {
      return reply.hijack();
    }
    const place = slots.tryTake();
    if (place === undefined) return send(reply.header('connection', 'close'), tryLaterReply());
    gone.set(request, untilClosed(reply, place));
    return undefined;
  };
  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const { url, body } = request;
    const method = request.method === 'POST' ? 'POST' : 'GET';
    const bytes = body instanceof Uint8Array ? body : new Uint8Array();
    const call = readStatusCall({ method, url, body: bytes });
    if (call === undefined) throw new NotFoundException();
    const answered = await answerStatus(call, gone.get(request) ?? AbortSignal.abort());
    await send(reply, answered);
  };
  fastify.addContentTypeParser(
    'application/ocsp-request',
    { parseAs: 'buffer', bodyLimit: maxRequestBytes },
    (_request, body, done) => done(null, body),
  );
  fastify.get('/ocsp/*', { onRequest: admit }, answer);
  fastify.post('/ocsp', { onRequest: admit, bodyLimit: maxRequestBytes }, answer);
}

function send(reply: FastifyReply, { status, headers, etag, body }: StatusReply): FastifyReply {
  for (let i = 0; i < headers.length; i += 2) {
    void reply.header(headers[i] ?? '', headers[i + 1] ?? '');
  }
  const isKnown = etag !== undefined && hasTag(reply.request.headers['if-none-match'], etag);
  return isKnown ? reply.status(304).send() : reply.status(status).send(Buffer.from(body));
}
