import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { problemMediaType } from '../problem/send-problem.js';

/** What the HTTP parser of Node refuses before there is a request; all else is a 400. */
const statusByCode: Readonly<Record<string, number>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
};

const isHttp = /^(HPE_|ERR_HTTP_)/;

/**
 * Answers octets that are no HTTP request, or headers that came too slowly, and hangs up. Whoever
 * failed at TLS is cut: an answer would wait for a handshake that never comes.
 */
export function answerClientError(error: Error & { readonly code?: string }, socket: Socket): void {
  if (!isHttp.test(error.code ?? '') || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = statusByCode[error.code ?? ''] ?? 400;
  const title = STATUS_CODES[status] ?? 'Bad Request';
  const instance = `urn:uuid:${randomUUID()}`;
  const body = JSON.stringify({
    type: 'about:blank',
    title,
    status,
    instance,
    code: 'INVALID_INPUT',
  });
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\nContent-Type: ${problemMediaType}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
