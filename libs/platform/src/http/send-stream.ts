import { Readable } from 'node:stream';
import type { FastifyReply } from 'fastify';

/**
 * Sends what an iteration yields, pulled as the socket takes it. A failure after the first byte cuts
 * the connection: a client never takes half an answer for a whole one.
 */
export async function sendStream(
  reply: FastifyReply,
  mediaType: string,
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  await reply.type(mediaType).send(Readable.from(body, { objectMode: false, highWaterMark: 256 * 1024 }));
}
