import { Worker } from 'node:worker_threads';
import { CertmillError } from '@certmill/domain';
import type { Stoppable } from '@certmill/ports';
import { RepositorySlots } from '../http/call-slots.js';
import type { AnswerSource } from './answer-source.js';
import { KeptReplies } from './kept-replies.js';
import { PartedBodies, partBytes } from './parted-bodies.js';
import { readSharedRequest, type StatusCall } from './status-call.js';
import type { StatusHttpConfig } from './status-config.js';
import type { StatusWorkerData, ToMain, ToThread } from './status-messages.js';
import { laterReply, type StatusReply } from './status-reply.js';
import { ThreadCounts, type AnswersOfThreads } from './thread-counts.js';

export interface StatusHttp extends Stoppable {
  readonly url: string;
  /** A status changed: no thread tells what it kept. */
  readonly forget: () => void;
  /** Answers that the main thread was not asked for, since the start. */
  readonly answersOfThreads: () => AnswersOfThreads;
}

export interface StatusHttpParts {
  readonly config: StatusHttpConfig;
  /** An answer to a request with a nonce is that client's own. */
  readonly echoesNonces: boolean;
  /** Where threads look before they ask for a reply. */
  readonly answers?: AnswerSource | undefined;
  /** Never rejects. The signal aborts when the client has gone. */
  readonly reply: (call: StatusCall, signal: AbortSignal) => Promise<StatusReply>;
  /** A thread is gone that nobody stopped: the process has to be started again. */
  readonly onLost: (error: CertmillError) => void;
}

const workerFile = new URL('./status.worker.js', import.meta.url);

/**
 * The plain HTTP face of a validation authority: threads that each take connections on the same port
 * and keep answers, in front of one that finds them. Node's own server and no framework, for an answer
 * out of what a thread keeps costs it some 30 us in all (`certmill bench authority`). Faults:
 * CONFIG_INVALID where the address cannot be listened on.
 */
export async function startStatusHttp(parts: StatusHttpParts): Promise<StatusHttp> {
  const { config } = parts;
  const replies = new Replies(parts);
  const slots = new RepositorySlots(config);
  const counts = new ThreadCounts();
  const threads: Worker[] = [];
  // Only Linux shares connections out among the listeners of a port.
  const wanted = process.platform === 'linux' ? config.threads : 1;
  let isStopping = false;
  let port = config.port;
  const lost = (): void => {
    if (isStopping) return;
    isStopping = true;
    parts.onLost(new CertmillError('FAULT_WORKER_LOST', 'a thread of the status face was lost'));
  };
  const stop = async (timeoutMs: number): Promise<void> => {
    isStopping = true;
    await Promise.all(threads.map((thread) => stopThread(thread, timeoutMs)));
  };
  try {
    for (let i = 0; i < wanted; i++) {
      const data: StatusWorkerData = {
        host: config.host,
        port,
        reusePort: wanted > 1,
        maxConnections: config.maxConnections,
        cachedAnswers: config.cachedAnswers,
        cachedBytes: config.cachedBytes,
        echoesNonces: parts.echoesNonces,
        limits: { cachedMs: config.cachedMs, maxAgeSeconds: config.maxAgeSeconds },
        counts: counts.shared,
        ...(parts.answers === undefined ? {} : { answers: parts.answers }),
      };
      const thread = new Worker(workerFile, { workerData: data });
      threads.push(thread);
      port = await listening(thread, config);
      thread.on('error', lost);
      thread.on('exit', lost);
      serveThread(thread, replies, slots);
    }
  } catch (error) {
    await stop(0);
    throw error;
  }
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  return {
    url: `http://${host}:${String(port)}`,
    stop,
    forget() {
      replies.forget();
      for (const thread of threads) send(thread, { kind: 'forget' });
    },
    answersOfThreads: () => counts.read(),
  };
}

/** Of all threads, so that they tell the same: an answer is signed once while it is kept. */
class Replies {
  readonly #parts: StatusHttpParts;
  readonly #kept: KeptReplies;
  #generation = 0;

  constructor(parts: StatusHttpParts) {
    const { cachedAnswers: answers, cachedBytes: bytes } = parts.config;
    this.#parts = parts;
    this.#kept = new KeptReplies({ answers, bytes });
  }

  async to(call: StatusCall, signal: AbortSignal): Promise<StatusReply> {
    const { reply, echoesNonces } = this.#parts;
    const shared =
      call.kind === 'ocsp' ? readSharedRequest(call.requestDer, echoesNonces) : undefined;
    const key = shared?.key;
    const known = key === undefined ? undefined : this.#kept.get(key, Date.now());
    if (known !== undefined) return known;
    const begunIn = this.#generation;
    const { keepUntilMs, readUntilMs, ...found } = await reply(call, signal);
    // What was found before a change is answered, for it was asked before; nobody keeps or reads on it.
    if (begunIn !== this.#generation) return found;
    const made = readUntilMs === undefined ? found : { ...found, readUntilMs };
    if (key === undefined || keepUntilMs === undefined) return made;
    // A view would keep all that lies around it.
    const kept = { ...made, body: new Uint8Array(made.body), keepUntilMs };
    this.#kept.keep(key, kept);
    return kept;
  }

  forget(): void {
    this.#generation += 1;
    this.#kept.clear();
  }
}

function listening(thread: Worker, { host, port }: StatusHttpConfig): Promise<number> {
  return new Promise((resolve, reject) => {
    const refuse = (reason: string): void =>
      reject(
        new CertmillError('CONFIG_INVALID', `cannot listen on ${host}:${String(port)}: ${reason}`),
      );
    thread.once('error', (error: Error) => refuse(error.message));
    thread.once('message', (message: ToMain) => {
      if (message.kind === 'listening') resolve(message.port);
      else if (message.kind === 'failed') refuse(message.message);
    });
  });
}

function serveThread(thread: Worker, replies: Replies, slots: RepositorySlots): void {
  const bodies = new PartedBodies(slots.held);
  const places = new Map<number, Disposable>();
  /** Calls whose replies are looked for. */
  const underWay = new Map<number, AbortController>();
  const answer = async (id: number, call: StatusCall): Promise<void> => {
    if (call.kind === 'published') {
      const place = slots.tryTake();
      if (place === undefined) {
        sendWhole(thread, id, laterReply());
        return;
      }
      places.set(id, place);
    }
    const gone = new AbortController();
    underWay.set(id, gone);
    const reply = await replies.to(call, gone.signal);
    underWay.delete(id);
    if (gone.signal.aborted) {
      end(id);
      return;
    }
    const isLong = reply.body.length > partBytes;
    const part = isLong ? bodies.begin(id, reply.body) : undefined;
    if (part !== undefined) {
      const begun = { ...reply, body: part, wholeBytes: reply.body.length };
      send(thread, { kind: 'reply', id, reply: begun }, part);
      return;
    }
    sendWhole(thread, id, isLong ? laterReply() : reply);
    end(id);
  };
  const end = (id: number): void => {
    bodies.end(id);
    places.get(id)?.[Symbol.dispose]();
    places.delete(id);
  };
  const close = (id: number): void => {
    const looked = underWay.get(id);
    if (looked === undefined) end(id);
    else looked.abort();
  };
  thread.on('message', (message: ToMain) => {
    if (message.kind === 'call') void answer(message.id, message.call);
    else if (message.kind === 'closed') close(message.id);
    else if (message.kind === 'more') {
      const { id } = message;
      const bytes = bodies.next(id);
      if (bytes !== undefined) send(thread, { kind: 'part', id, bytes }, bytes);
    }
  });
}

/** A copy: a view would be sent with all that lies around it. */
function sendWhole(thread: Worker, id: number, reply: StatusReply): void {
  const body = new Uint8Array(reply.body);
  send(thread, { kind: 'reply', id, reply: { ...reply, body } }, body);
}

/** @param own Gone here when it was sent. */
function send(thread: Worker, message: ToThread, own?: Uint8Array<ArrayBuffer>): void {
  thread.postMessage(message, own === undefined ? [] : [own.buffer]);
}

async function stopThread(thread: Worker, timeoutMs: number): Promise<void> {
  const ended = new Promise<void>((resolve) => {
    thread.once('exit', () => resolve());
  });
  send(thread, { kind: 'stop', timeoutMs });
  const timer = setTimeout(() => void thread.terminate(), timeoutMs + 500);
  await ended;
  clearTimeout(timer);
}
