import { Worker } from 'node:worker_threads';
import { CertmillError } from '@certmill/domain';
import type { Stoppable } from '@certmill/ports';
import { KeptReplies, keyOfCall } from './kept-replies.js';
import type { StatusHttpConfig } from './status-config.js';
import type { StatusCall, StatusWorkerData, ToMain, ToThread } from './status-messages.js';
import type { StatusReply } from './status-reply.js';

export interface StatusHttp extends Stoppable {
  readonly url: string;
  /** A status changed: no thread tells what it kept. */
  readonly forget: () => void;
  /** Answers that threads gave out of what they kept, since the start. */
  readonly cachedAnswers: () => number;
}

export interface StatusHttpParts {
  readonly config: StatusHttpConfig;
  /** Never rejects. */
  readonly reply: (call: StatusCall) => Promise<StatusReply>;
  /** A thread is gone that nobody stopped: the process has to be started again. */
  readonly onLost: (error: CertmillError) => void;
}

const workerFile = new URL('./status.worker.js', import.meta.url);

/**
 * The plain HTTP face of a validation authority: threads that each take connections on the same port
 * and keep answers, in front of one that finds them. Node's own server and no framework, for an answer
 * out of what a thread keeps costs it some 30 us in all (`ocsp.bench.ts`). Faults: CONFIG_INVALID where
 * the address cannot be listened on.
 */
export async function startStatusHttp(parts: StatusHttpParts): Promise<StatusHttp> {
  const { config } = parts;
  // Of all threads, so that they tell the same: an answer is signed once while it is kept.
  const kept = new KeptReplies(config.cachedAnswers);
  let generation = 0;
  const reply = async (call: StatusCall): Promise<StatusReply> => {
    const key = keyOfCall(call);
    const known = kept.get(key, Date.now());
    if (known !== undefined) return known;
    const begunIn = generation;
    const { keepUntilMs, ...made } = await parts.reply(call);
    // What was found before a change is answered, for it was asked before, and not kept.
    if (keepUntilMs === undefined || begunIn !== generation) return made;
    kept.keep(key, { ...made, keepUntilMs });
    return { ...made, keepUntilMs };
  };
  const cachedCount = new SharedArrayBuffer(4);
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
        cachedCount,
      };
      const thread = new Worker(workerFile, { workerData: data });
      threads.push(thread);
      port = await listening(thread, config);
      thread.on('error', lost);
      thread.on('exit', lost);
      serveThread(thread, reply);
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
      generation += 1;
      kept.clear();
      for (const thread of threads) send(thread, { kind: 'forget' });
    },
    cachedAnswers: () => Atomics.load(new Int32Array(cachedCount), 0) >>> 0,
  };
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

function serveThread(thread: Worker, reply: StatusHttpParts['reply']): void {
  thread.on('message', (message: ToMain) => {
    if (message.kind !== 'call') return;
    const { id, call } = message;
    void reply(call).then((answer) => send(thread, { kind: 'reply', id, reply: answer }));
  });
}

function send(thread: Worker, message: ToThread): void {
  thread.postMessage(message);
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
