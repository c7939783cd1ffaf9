import { CertmillError, maxRequestsPerChunk } from '@certmill/domain';
import type { IssuedChunk } from './chunks.js';
import { lengthColumn, maxCertificatesBytes, requestCount } from './columns.js';
import { MessageReader, undecodable } from './message-reader.js';
import { MessageWriter } from './message-writer.js';

const what = 'IssuedChunk';
const maxCode = 0xff;
const noBytes: Buffer = Buffer.alloc(0);

/** Encodes a chunk as certmill.v1.IssuedChunk. The result is memory of its own. */
export function encodeIssuedChunk(chunk: IssuedChunk): Uint8Array {
  if (chunk.certificatesDer.length > maxCertificatesBytes) {
    throw new CertmillError('FAULT_PROCESSING', `${what}: the certificates are over the bound`);
  }
  return new MessageWriter()
    .bytes(1, chunk.received)
    .bytes(2, chunk.verdict)
    .number(3, chunk.certificateLengths.length)
    .bytes(4, chunk.certificatesDer)
    .numbers(5, chunk.certificateLengths)
    .number(6, chunk.endedBy)
    .text(7, chunk.endedDetail)
    .finish();
}

/**
 * Decodes a certmill.v1.IssuedChunk: lengths must add up, and a chunk that ended without signing has
 * no certificate. Byte arrays are views into `bytes`. Throws FAULT_EVENT_UNDECODABLE.
 */
export function decodeIssuedChunk(bytes: Uint8Array): IssuedChunk {
  const reader = new MessageReader(bytes, what);
  let received: Uint8Array | undefined;
  let verdict: Uint8Array | undefined;
  let sentCount = 0;
  let certificatesDer = noBytes;
  const certificateLengths: number[] = [];
  let endedBy = 0;
  let endedDetail = '';
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    switch (field) {
      case 1:
        received = reader.bytes();
        break;
      case 2:
        verdict = reader.bytes();
        break;
      case 3:
        sentCount = reader.uint32();
        break;
      case 4:
        certificatesDer = reader.bytes();
        break;
      case 5:
        reader.numbers(certificateLengths, maxRequestsPerChunk);
        break;
      case 6:
        endedBy = reader.uint32();
        break;
      case 7:
        endedDetail = reader.text();
        break;
      default:
        reader.skip();
    }
  }
  if (received === undefined || verdict === undefined) {
    throw undecodable(`${what}: the chunk or its verdict is missing`);
  }
  if (endedBy > maxCode) throw undecodable(`${what}: endedBy is out of range`);
  if (endedBy !== 0 && certificatesDer.length > 0) {
    throw undecodable(`${what}: a chunk that was ended unsigned holds certificates`);
  }
  return {
    received,
    verdict,
    certificatesDer,
    certificateLengths: lengthColumn(
      certificateLengths,
      requestCount(sentCount, what),
      certificatesDer,
      maxCertificatesBytes,
      `${what}.certificatesDer`,
    ),
    endedBy,
    endedDetail,
  };
}
