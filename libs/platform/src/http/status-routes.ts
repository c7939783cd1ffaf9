import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
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
    const { status, headers, body: answered } = await answerStatus({ method, url, body: bytes });
    for (let i = 0; i < headers.length; i += 2) {
      void reply.header(headers[i] ?? '', headers[i + 1] ?? '');
    }
    await reply.status(status).send(Buffer.from(answered));
  };
  fastify.addContentTypeParser(
    'application/ocsp-request',
    { parseAs: 'buffer', bodyLimit: maxRequestBytes },
    (_request, body, done) => done(null, body),
  );
  fastify.get('/ocsp/*', answer);
  fastify.post('/ocsp', { bodyLimit: maxRequestBytes }, answer);
}
