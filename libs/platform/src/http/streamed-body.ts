import type { FastifyRequest } from 'fastify';

/** Bodies that are read as they come; everything else is parsed whole under a small limit. */
export const streamedMediaTypes = [
  'application/x-ndjson',
  'application/x-pem-file',
  'application/x-tar',
  'text/csv',
] as const;

export function mediaTypeOf(request: FastifyRequest): string {
  return (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

export function isStreamed(request: FastifyRequest): boolean {
  return (streamedMediaTypes as readonly string[]).includes(mediaTypeOf(request));
}
