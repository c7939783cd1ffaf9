import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { hasTag } from '../http/entity-tag.js';
import { PipelinedCalls } from '../http/pipelined-calls.js';
import { cutSlowReader, defaultReadingPace } from '../http/slow-readers.js';
import type { AnswerModule } from './answer-source.js';
import { KeptReplies } from './kept-replies.js';
import { OctetBudget } from './octet-budget.js';
import { ReadableIssuers } from './readable-issuers.js';
import {
  readSharedRequest,
  readStatusCall,
  type HttpCall,
  type SharedRequest,
  type StatusCall,
} from './status-call.js';
import type { BegunReply, StatusWorkerData, ToMain, ToThread } from './status-messages.js';
import {
  laterReply,
  ocspReply,
  plainReply,
  tryLaterReply,
  type StatusReply,
} from './status-reply.js';
import { ThreadCounts } from './thread-counts.js';

const data = workerData as StatusWorkerData;
/** RFC 6960 sets none; a signed request with its certificates fits (`readOcspRequest` has the same). */
const maxBodyBytes = 16_384;
/** What GET is for has some 200 octets; a signed request of this size fits. */
const maxHeaderBytes = 8_192;
/** Calls that wait for the main thread; more are told to come back. */
const maxWaiting = 2_048;
const noBody = new Uint8Array();

const waiting = new Map<number, (reply: BegunReply) => void>();
/** By call, who waits for the next part of a long body. */
const parts = new Map<number, (part: Uint8Array) => void>();
const kept = new KeptReplies({ answers: data.cachedAnswers, bytes: data.cachedBytes });
/** Of requests that are not answered and answers that are not taken, of all connections. */
const budget = new OctetBudget(32 * 1024 * 1024);
const pipelined = new PipelinedCalls();
const counts = new ThreadCounts(data.counts);
const readable = new ReadableIssuers();
const answerAtOnce =
  data.answers &&
  ((await import(data.answers.module)) as AnswerModule).openAnswers(data.answers.data);
let lastId = 0;
let isStopping = false;

const server = createServer(
  {
    keepAliveTimeout: 30_000,
    headersTimeout: 10_000,
    requestTimeout: 15_000,
    maxHeaderSize: maxHeaderBytes,
  },
  (request, response) => {
    if (pipelined.take(request.socket, response)) void take(request, response);
  },
);
server.maxConnections = data.maxConnections;
server.timeout = defaultReadingPace.idleReaderMs;
server.on('error', (error) => tell({ kind: 'failed', message: error.message }));
server.listen({ host: data.host, port: data.port, reusePort: data.reusePort }, () => {
  tell({ kind: 'listening', port: (server.address() as AddressInfo).port });
});

parentPort?.on('message', (message: ToThread) => {
  if (message.kind === 'reply') waiting.get(message.id)?.(message.reply);
  else if (message.kind === 'part') parts.get(message.id)?.(message.bytes);
  else if (message.kind === 'forget') forget();
  else stop(message.timeoutMs);
});

/** A status changed, be it that of an issuer. */
function forget(): void {
  kept.clear();
  readable.clear();
}

function tell(message: ToMain, own?: Uint8Array<ArrayBuffer>): void {
  parentPort?.postMessage(message, own === undefined ? [] : [own.buffer]);
}

async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = '', url = '' } = request;
  if (method === 'GET' || method === 'HEAD') {
    request.resume();
    const ifNoneMatch = request.headers['if-none-match'];
    await answer(request, response, { method: 'GET', url, body: noBody, ifNoneMatch });
    return;
  }
  if (method !== 'POST') {
    write(request, response, plainReply(405, 'GET and POST are taken', 'Allow', 'GET, HEAD, POST'));
    return;
  }
  const mediaType = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (mediaType !== 'application/ocsp-request') {
    write(request, response, plainReply(415, 'the body is no application/ocsp-request'));
    return;
  }
  const body = await bodyOf(request);
  if (body === 'too-large') {
    write(request, response, plainReply(413, 'an OCSPRequest has 16 KiB at most'));
  } else if (body === 'no-room') {
    write(request, response, tryLaterReply());
  } else if (body !== 'broken') {
    await answer(request, response, { method: 'POST', url, body });
    budget.give(body.length);
  }
}

/** What it returns is taken from the budget. */
function bodyOf(
  request: IncomingMessage,
): Promise<Uint8Array | 'too-large' | 'no-room' | 'broken'> {
  return new Promise((resolve) => {
    const received: Buffer[] = [];
    let bytes = 0;
    const refuse = (why: 'too-large' | 'no-room' | 'broken'): void => {
      request.removeAllListeners('data');
      request.pause();
      received.length = 0;
      budget.give(bytes);
      bytes = 0;
      resolve(why);
    };
    request.on('data', (part: Buffer) => {
      const isTooLarge = bytes + part.length > maxBodyBytes;
      if (isTooLarge || !budget.take(part.length)) {
        refuse(isTooLarge ? 'too-large' : 'no-room');
        return;
      }
      bytes += part.length;
      received.push(part);
    });
    request.once('end', () => resolve(Buffer.concat(received)));
    request.once('close', () => {
      if (!request.complete) refuse('broken');
    });
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  httpCall: HttpCall,
): Promise<void> {
  const call = readStatusCall(httpCall);
  if (call === undefined) {
    write(request, response, plainReply(404, 'there is nothing here'));
    return;
  }
  const shared =
    call.kind === 'ocsp' ? readSharedRequest(call.requestDer, data.echoesNonces) : undefined;
  const own = call.kind === 'ocsp' && shared && replyAtOnce(call.requestDer, shared);
  if (own !== undefined && own !== false) {
    write(request, response, own);
    return;
  }
  if (waiting.size >= maxWaiting) {
    write(request, response, call.kind === 'ocsp' ? tryLaterReply() : laterReply());
    return;
  }
  if (response.destroyed) return;
  const id = (lastId = (lastId + 1) % Number.MAX_SAFE_INTEGER);
  const reply = await new Promise<BegunReply | undefined>((resolve) => {
    waiting.set(id, resolve);
    response.once('close', () => resolve(undefined));
    ask(id, call);
  });
  waiting.delete(id);
  if (reply === undefined) {
    tell({ kind: 'closed', id });
    return;
  }
  if (shared !== undefined && call.kind === 'ocsp') {
    const [certId] = shared.certIds;
    kept.keep(shared.key, reply);
    if (certId !== undefined && reply.readUntilMs !== undefined) {
      readable.allow(call.requestDer, certId, reply.readUntilMs);
    }
  }
  write(request, response, reply, id);
}

/** Out of what is kept, or what this thread can read by itself. */
function replyAtOnce(
  requestDer: Uint8Array,
  { key, certIds }: SharedRequest,
): StatusReply | undefined {
  const nowMs = Date.now();
  const known = kept.get(key, nowMs);
  if (known !== undefined) {
    counts.count('cached');
    return known;
  }
  const [certId] = certIds;
  if (certId === undefined || certIds.length > 1) return undefined;
  // The main thread knows which issuers there are, and which of them are revoked.
  if (!readable.has(requestDer, certId, nowMs)) return undefined;
  const answer = answerAtOnce?.(requestDer, certId, nowMs);
  if (answer === undefined) return undefined;
  counts.count('read');
  const reply = ocspReply(answer, nowMs, data.limits);
  kept.keep(key, reply);
  return reply;
}

function ask(id: number, call: StatusCall): void {
  if (call.kind === 'ocsp') {
    // A copy: a view would be sent with all that lies around it.
    const requestDer = new Uint8Array(call.requestDer);
    tell({ kind: 'call', id, call: { kind: 'ocsp', requestDer } }, requestDer);
  } else {
    tell({ kind: 'call', id, call });
  }
}

/** @param id Of the call; where the reply has further parts, the main thread hears of its end. */
function write(
  request: IncomingMessage,
  response: ServerResponse,
  reply: BegunReply,
  id = 0,
): void {
  const { status, headers, body, etag, wholeBytes = body.length } = reply;
  const isParted = wholeBytes > body.length;
  const isTaken = !response.destroyed && budget.take(body.length);
  const close = (): void => {
    if (isTaken) budget.give(body.length);
    if (isParted) tell({ kind: 'closed', id });
  };
  if (!isTaken) {
    request.socket.destroy();
    close();
    return;
  }
  response.once('close', close);
  // What is kept is written before Node has noted that a GET is complete.
  const isCutShort = request.method !== 'GET' && request.method !== 'HEAD' && !request.complete;
  if (isStopping || isCutShort) response.setHeader('Connection', 'close');
  if (etag !== undefined && hasTag(request.headers['if-none-match'], etag)) {
    response.writeHead(304, [...headers]);
    response.end();
    return;
  }
  response.writeHead(status, [...headers, 'Content-Length', String(wholeBytes)]);
  if (request.method === 'HEAD') response.end();
  else if (isParted) writeParts(response, id, body, wholeBytes);
  else response.end(body);
}

/** Each part is asked for when the one before is away. */
function writeParts(
  response: ServerResponse,
  id: number,
  first: Uint8Array,
  wholeBytes: number,
): void {
  cutSlowReader(response, wholeBytes, defaultReadingPace);
  response.once('close', () => parts.delete(id));
  let left = wholeBytes;
  const writePart = (part: Uint8Array): void => {
    left -= part.length;
    if (left <= 0) response.end(part);
    else response.write(part, () => tell({ kind: 'more', id }));
  };
  parts.set(id, writePart);
  writePart(first);
}

/** What is in hand is answered; idle connections are closed at once, the others at the latest then. */
function stop(timeoutMs: number): void {
  isStopping = true;
  server.close(() => process.exit());
  server.closeIdleConnections();
  setTimeout(() => process.exit(), timeoutMs).unref();
}
