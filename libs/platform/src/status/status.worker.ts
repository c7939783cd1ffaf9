import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { encodeErrorResponse } from '@certmill/der';
import { hasTag } from '../http/entity-tag.js';
import { KeptReplies, keyOfCall } from './kept-replies.js';
import type { StatusCall, StatusWorkerData, ToMain, ToThread } from './status-messages.js';
import { plainReply, type StatusReply } from './status-reply.js';

const data = workerData as StatusWorkerData;
/** RFC 6960 sets none; a signed request with its certificates fits (`readOcspRequest` has the same). */
const maxBodyBytes = 16_384;
/** Calls that wait for the main thread; more are told to come back. */
const maxWaiting = 2_048;
const noBody = new Uint8Array();

const waiting = new Map<number, (reply: StatusReply) => void>();
const kept = new KeptReplies(data.cachedAnswers);
const cachedCount = new Int32Array(data.cachedCount);
let lastId = 0;
let isStopping = false;

const server = createServer(
  { keepAliveTimeout: 30_000, headersTimeout: 10_000, requestTimeout: 15_000 },
  (request, response) => {
    void take(request, response);
  },
);
server.maxConnections = data.maxConnections;
server.on('error', (error) => tell({ kind: 'failed', message: error.message }));
server.listen({ host: data.host, port: data.port, reusePort: data.reusePort }, () => {
  tell({ kind: 'listening', port: (server.address() as AddressInfo).port });
});

parentPort?.on('message', (message: ToThread) => {
  if (message.kind === 'reply') waiting.get(message.id)?.(message.reply);
  else if (message.kind === 'forget') kept.clear();
  else stop(message.timeoutMs);
});

function tell(message: ToMain): void {
  parentPort?.postMessage(message);
}

async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = '', url = '' } = request;
  if (method === 'GET' || method === 'HEAD') {
    request.resume();
    write(request, response, await replyTo({ method: 'GET', url, body: noBody }));
    return;
  }
  if (method !== 'POST') {
    write(request, response, plainReply(405, 'GET and POST are taken', 'Allow', 'GET, HEAD, POST'));
    return;
  }
  const isOcsp = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (isOcsp !== 'application/ocsp-request') {
    write(request, response, plainReply(415, 'the body is no application/ocsp-request'));
    return;
  }
  const body = await bodyOf(request);
  if (body === 'too-large') {
    write(request, response, plainReply(413, 'an OCSPRequest has 16 KiB at most'));
  } else if (body !== 'broken') {
    write(request, response, await replyTo({ method: 'POST', url, body }));
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer | 'too-large' | 'broken'> {
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > maxBodyBytes) return 'too-large';
      parts.push(part);
    }
  } catch {
    return 'broken';
  }
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
}

async function replyTo(call: StatusCall): Promise<StatusReply> {
  const key = keyOfCall(call);
  const known = kept.get(key, Date.now());
  if (known !== undefined) {
    Atomics.add(cachedCount, 0, 1);
    return known;
  }
  if (waiting.size >= maxWaiting) return tryLater();
  const reply = await new Promise<StatusReply>((resolve) => {
    const id = (lastId = (lastId + 1) % Number.MAX_SAFE_INTEGER);
    waiting.set(id, (answer) => {
      waiting.delete(id);
      resolve(answer);
    });
    tell({ kind: 'call', id, call });
  });
  kept.keep(key, reply);
  return reply;
}

function tryLater(): StatusReply {
  return {
    status: 200,
    headers: ['Content-Type', 'application/ocsp-response', 'Cache-Control', 'no-store'],
    body: encodeErrorResponse('tryLater'),
  };
}

function write(request: IncomingMessage, response: ServerResponse, reply: StatusReply): void {
  if (isStopping || !request.complete) response.setHeader('Connection', 'close');
  if (reply.etag !== undefined && hasTag(request.headers['if-none-match'], reply.etag)) {
    response.writeHead(304, [...reply.headers]);
    response.end();
    return;
  }
  const length = ['Content-Length', String(reply.body.length)];
  response.writeHead(reply.status, [...reply.headers, ...length]);
  response.end(request.method === 'HEAD' ? undefined : reply.body);
}

/** What is in hand is answered; idle connections are closed at once, the others at the latest then. */
function stop(timeoutMs: number): void {
  isStopping = true;
  server.close(() => process.exit());
  server.closeIdleConnections();
  setTimeout(() => process.exit(), timeoutMs).unref();
}
