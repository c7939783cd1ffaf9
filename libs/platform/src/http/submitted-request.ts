import { CertmillError } from '@certmill/domain';
import { readInput, type InputItem } from '@certmill/pipeline';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { RefusedCall } from '../problem/refused-call.js';
import { parseWith } from './parse-with.js';
import { mediaTypeOf } from './streamed-body.js';
import {
  assertContentCoding,
  rawBodyOf,
  readerLimits,
  type UploadLimits,
} from './uploaded-items.js';
import { watchedBody } from './watched-body.js';

export const submittedJsonSchema = z.strictObject({
  deviceId: z.string().optional(),
  /** PEM, or base64 or base64url of the DER. */
  csr: z.string(),
});

/**
 * The one request of a call: application/pkcs10 (DER, or its base64), application/x-pem-file, or
 * application/json `{deviceId?, csr}`; the first two take the device id from `?deviceId=`.
 * More or less than one is INVALID_INPUT, a body over the limit LIMIT_EXCEEDED.
 */
export async function submittedRequest(
  request: FastifyRequest,
  deviceId: string | undefined,
  limits: UploadLimits,
): Promise<InputItem> {
  assertContentCoding(request, ['identity']);
  switch (mediaTypeOf(request)) {
    case 'application/json':
      return readOne(parseWith(submittedJsonSchema, request.body), limits);
    case 'application/x-pem-file': {
      const octets = watchedBody(rawBodyOf(request), limits);
      const pem = await collect(octets, readerLimits(limits.maxCsrBytes).maxLineBytes);
      return readOne({ deviceId, csr: pem.toString('latin1') }, limits);
    }
    case 'application/pkcs10': {
      if (!Buffer.isBuffer(request.body)) {
        throw new CertmillError('INVALID_INPUT', 'the body is empty');
      }
      return readOne({ deviceId, csr: textOf(request.body) }, limits);
    }
    default:
      throw new RefusedCall(
        415,
        'send the request as application/pkcs10, application/x-pem-file or application/json',
      );
  }
}

/** RFC 5967 sends DER; EST (RFC 7030 4.2.1) sends its base64 under the same media type. */
function textOf(body: Buffer): string {
  // A request has more than 127 octets, so its outer length has an octet above 0x7f; text has none.
  const isText = body.every((octet) => octet < 0x80);
  return isText ? body.toString('latin1') : body.toString('base64');
}

/** Goes the way of one line of NDJSON: one place checks device ids and outer shapes. */
async function readOne(
  line: { readonly deviceId?: string | undefined; readonly csr: string },
  limits: UploadLimits,
): Promise<InputItem> {
  const bytes = Buffer.from(JSON.stringify(line));
  const reading = { ...readerLimits(limits.maxCsrBytes), maxLineBytes: bytes.length + 1 };
  const items: InputItem[] = [];
  for await (const group of readInput(once(bytes), { format: 'ndjson', limits: reading })) {
    items.push(...group);
  }
  const [item] = items;
  if (item === undefined) throw new CertmillError('INVALID_INPUT', 'the body holds no request');
  return { ...item, source: '' };
}

async function collect(octets: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of octets) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw new CertmillError('LIMIT_EXCEEDED', `the body has more than ${maxBytes} octets`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}
