import { CertmillError } from '@certmill/domain';
import { readInput, type InputItem } from '@certmill/pipeline';
import type { FastifyRequest } from 'fastify';
import { RefusedCall } from '../problem/refused-call.js';
import { mediaTypeOf } from './streamed-body.js';
import { watchedBody, type BodyWatch } from './watched-body.js';

export interface UploadLimits extends BodyWatch {
  readonly maxCsrBytes: number;
}

const formats = {
  'application/x-ndjson': 'ndjson',
  'application/x-pem-file': 'pem',
  'text/csv': 'csv',
  'application/x-tar': 'tar',
} as const;

/** What the readers know by their first octets (RFC 9110 8.4). */
const contentCodings: readonly string[] = ['identity', 'gzip', 'x-gzip', 'zstd'];

/**
 * The requests of an upload as they come. Throws at once where the media type or the content coding
 * is not supported (415); iterating it meets the faults of the body and of the readers.
 */
export function uploadedItems(
  request: FastifyRequest,
  limits: UploadLimits,
): AsyncIterable<readonly InputItem[]> {
  const format = formatOf(mediaTypeOf(request));
  assertContentCoding(request, contentCodings);
  return readInput(watchedBody(rawBodyOf(request), limits), {
    format,
    limits: readerLimits(limits.maxCsrBytes),
  });
}

/** A line holds a request as base64 of PEM at worst, twice as long. */
export function readerLimits(maxCsrBytes: number): {
  readonly maxCsrBytes: number;
  readonly maxLineBytes: number;
} {
  return { maxCsrBytes, maxLineBytes: maxCsrBytes * 2 };
}

/** A 415 where the body is coded in a way that this route does not read. */
export function assertContentCoding(request: FastifyRequest, accepted: readonly string[]): void {
  const coding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (!accepted.includes(coding)) {
    throw new RefusedCall(415, `the Content-Encoding must be one of ${accepted.join(', ')}`);
  }
}

/** The raw request of a streamed media type, not read yet. */
export function rawBodyOf(request: FastifyRequest): FastifyRequest['raw'] {
  if (request.body === request.raw) return request.raw;
  throw new CertmillError('INVALID_INPUT', 'the call needs a body');
}

function formatOf(mediaType: string): (typeof formats)[keyof typeof formats] {
  if (mediaType in formats) return formats[mediaType as keyof typeof formats];
  throw new RefusedCall(415, `send requests as one of ${Object.keys(formats).join(', ')}`);
}
