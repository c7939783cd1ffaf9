import type { ValidatedChunk } from './chunks.js';
import { MessageReader, undecodable } from './message-reader.js';
import { MessageWriter } from './message-writer.js';

const what = 'ValidatedChunk';

/** Encodes a chunk as certmill.v1.ValidatedChunk. The result is memory of its own. */
export function encodeValidatedChunk(chunk: ValidatedChunk): Uint8Array {
  return new MessageWriter().bytes(1, chunk.received).bytes(2, chunk.verdict).finish();
}

/**
 * Decodes a certmill.v1.ValidatedChunk. Its parts are views into `bytes`, encoded still: what is
 * inside them shows when they are decoded. Throws FAULT_EVENT_UNDECODABLE.
 */
export function decodeValidatedChunk(bytes: Uint8Array): ValidatedChunk {
  const reader = new MessageReader(bytes, what);
  let received: Uint8Array | undefined;
  let verdict: Uint8Array | undefined;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    switch (field) {
      case 1:
        received = reader.bytes();
        break;
      case 2:
        verdict = reader.bytes();
        break;
      default:
        reader.skip();
    }
  }
  if (received === undefined || verdict === undefined) {
    throw undecodable(`${what}: the chunk or its verdict is missing`);
  }
  return { received, verdict };
}
