import { NotFoundException } from '@nestjs/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { hasTag } from './entity-tag.js';
import { readStatusCall } from '../status/status-call.js';
import type { IssuanceServices } from './services.js';

/** A signed request with its certificates fits. */
const maxRequestBytes = 16_384;

/** OCSP beside everything else, for installations without a face of its own (RFC 6960 A.1). */
export function addStatusRoutes(
  fastify: FastifyInstance,
  { answerStatus }: Pick<IssuanceServices, 'answerStatus'>,
): void {
  if (answerStatus === undefined) return;
  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const { url, body } = request;
    const method = request.method === 'POST' ? 'POST' : 'GET';
    const bytes = body instanceof Uint8Array ? body : new Uint8Array();
    const call = readStatusCall({ method, url, body: bytes });
    if (call === undefined) throw new NotFoundException();
    const answered = await answerStatus(call);
    const { status, headers, etag } = answered;
    for (let i = 0; i < headers.length; i += 2) {
      void reply.header(headers[i] ?? '', headers[i + 1] ?? '');
    }
    const isKnown = etag !== undefined && hasTag(request.headers['if-none-match'], etag);
    if (isKnown) await reply.status(304).send();
    else await reply.status(status).send(Buffer.from(answered.body));
  };
  fastify.addContentTypeParser(
    'application/ocsp-request',
    { parseAs: 'buffer', bodyLimit: maxRequestBytes },
    (_request, body, done) => done(null, body),
  );
  fastify.get('/ocsp/*', answer);
  fastify.post('/ocsp', { bodyLimit: maxRequestBytes }, answer);
}
