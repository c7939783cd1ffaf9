import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';

/** What a slow client makes us hold of its answer. */
const heldBytes = 256 * 1024;

/**
 * Sends what an iteration yields, pulled as the socket takes it. A failure after the first byte cuts
 * the connection: a client never takes half an answer for a whole one. The iteration is closed when
 * the client goes.
 */
export function sendStream(
  reply: FastifyReply,
  mediaType: string,
  body: AsyncIterable<Uint8Array>,
): void {
  const source = Readable.from(body, { objectMode: false, highWaterMark: heldBytes });
  void reply.type(mediaType).header('cache-control', 'no-store').send(source);
}
