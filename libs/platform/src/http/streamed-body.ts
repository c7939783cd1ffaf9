import { Readable } from 'node:stream';
import { CertmillError } from '@certmill/domain';
import type { FastifyRequest } from 'fastify';

/** Bodies that are read as they come; everything else is parsed whole under a small limit. */
export const streamedMediaTypes = [
  'application/x-ndjson',
  'application/x-pem-file',
  'application/x-tar',
  'text/csv',
] as const;

/** The raw body. Iterating it is the back-pressure: an unread chunk stays in the socket. */
export function bodyStreamOf(request: FastifyRequest): Readable {
  if (request.body instanceof Readable) return request.body;
  throw new CertmillError(
    'INVALID_INPUT',
    `send the body as one of ${streamedMediaTypes.join(', ')} (Content-Type)`,
  );
}

export function mediaTypeOf(request: FastifyRequest): string {
  return (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}
