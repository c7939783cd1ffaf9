import type { PublishedChunk } from './chunks.js';
import { batchIdOfBytes } from './columns.js';
import { MessageReader, undecodable } from './message-reader.js';
import { MessageWriter } from './message-writer.js';

const what = 'PublishedChunk';

/** Encodes a hint as certmill.v1.PublishedChunk. */
export function encodePublishedChunk(chunk: PublishedChunk): Uint8Array {
  return new MessageWriter()
    .text(1, chunk.tenant)
    .text(2, chunk.orderId)
    .bytes(3, Buffer.from(chunk.batchId, 'hex'))
    .number(4, chunk.chunkNumber)
    .finish();
}

/** Decodes a certmill.v1.PublishedChunk. Throws FAULT_EVENT_UNDECODABLE. */
export function decodePublishedChunk(bytes: Uint8Array): PublishedChunk {
  const reader = new MessageReader(bytes, what);
  let tenant = '';
  let orderId = '';
  let batchId: Buffer = Buffer.alloc(0);
  let chunkNumber = 0;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    switch (field) {
      case 1:
        tenant = reader.text();
        break;
      case 2:
        orderId = reader.text();
        break;
      case 3:
        batchId = reader.bytes();
        break;
      case 4:
        chunkNumber = reader.uint32();
        break;
      default:
        reader.skip();
    }
  }
  if (tenant === '' || orderId === '') throw undecodable(`${what}: tenant or order is missing`);
  return { tenant, orderId, batchId: batchIdOfBytes(batchId, what), chunkNumber };
}
