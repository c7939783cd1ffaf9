import { once } from 'node:events';
import * as http from 'node:http';
import * as https from 'node:https';
import { connectionError } from './connection-error.js';
import { problemAnswer } from './problem-answer.js';
import { Patience, type RetryPolicy } from './retry.js';
import { ServerError } from './server-error.js';

/** A server and how to meet it. */
export interface ServerAccess {
  readonly url: URL;
  readonly apiKey?: string;
  /** PEM: trusted instead of the system's CAs. */
  readonly ca?: Buffer;
  /** PEM: client certificate and its key, for servers that ask for one. */
  readonly clientCertificate?: { readonly cert: Buffer; readonly key: Buffer };
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the server's URL, with a leading slash; parts that come from users are encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Small: sent whole, and again on a retry. */
  readonly body?: string;
  /** Streamed as the socket takes it; for `jsonOnce` and `send`. */
  readonly stream?: AsyncIterable<Uint8Array>;
  /** True where the call may happen twice; default: all but POST. */
  readonly isRepeatable?: boolean;
  /** True: over a connection that nothing was sent on before, which is another server's where several answer. */
  readonly isFresh?: boolean;
}

/** A connection that moves nothing for so long is given up; event streams send something each 15 s. */
const idleMs = 120_000;
const maxSmallAnswerBytes = 16 * 1024 * 1024;

/** HTTP over kept connections. Every failure is a ServerError, FAULT_STOPPING after an abort. */
export class HttpClient implements Disposable {
  readonly #access: ServerAccess;
  readonly #policy: RetryPolicy;
  readonly #agent: http.Agent;
  /** Keeps no connection. */
  readonly #freshAgent: http.Agent;
  readonly #open: typeof http.request;

  constructor(access: ServerAccess, policy: RetryPolicy) {
    this.#access = access;
    this.#policy = policy;
    const isTls = access.url.protocol === 'https:';
    const tls: https.AgentOptions = {
      minVersion: 'TLSv1.2',
      ...(access.ca === undefined ? {} : { ca: access.ca }),
      ...access.clientCertificate,
    };
    const agentWith = (options: http.AgentOptions): http.Agent =>
      isTls ? new https.Agent({ ...options, ...tls }) : new http.Agent(options);
    this.#open = isTls ? https.request : http.request;
    this.#agent = agentWith({ keepAlive: true, keepAliveMsecs: 30_000 });
    this.#freshAgent = agentWith({ keepAlive: false });
  }

  get origin(): string {
    return this.#access.url.origin;
  }

  /** A patience for a task of several calls. */
  patience(): Patience {
    return new Patience(this.#policy);
  }

  /** Sends until the server answers, within the patience; resolves with the parsed JSON. */
  async json(call: Call): Promise<unknown> {
    const patience = this.patience();
    for (;;) {
      try {
        return await this.jsonOnce(call);
      } catch (error) {
        await patience.wait(error, call.isRepeatable ?? call.method !== 'POST');
      }
    }
  }

  /** One try. */
  async jsonOnce(call: Call): Promise<unknown> {
    const body = await readText(await this.send(call), this.origin);
    if (body === '') return undefined;
    try {
      return JSON.parse(body) as unknown;
    } catch (cause) {
      throw notOurServer(this.origin, cause);
    }
  }

  /** One try. The body as it comes; a connection that breaks is a ServerError. */
  async *bytes(call: Call): AsyncGenerator<Buffer> {
    const answer = await this.send(call);
    try {
      yield* answer as AsyncIterable<Buffer>;
    } catch (error) {
      throw connectionError(error, this.origin);
    }
  }

  /** One try. Resolves with an answer below 400, whose body the caller MUST read or destroy. */
  async send(call: Call): Promise<http.IncomingMessage> {
    const answer = await this.#exchange(call).catch((error: unknown) => {
      throw connectionError(error, this.origin);
    });
    const status = answer.statusCode ?? 0;
    if (status < 400) return answer;
    const text = await readText(answer, this.origin).catch(() => '');
    if (status === 401 && this.#access.apiKey === undefined) throw withoutKey();
    throw problemAnswer(status, text, answer.headers['retry-after'], Date.now());
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
    this.#freshAgent.destroy();
  }

  async #exchange(call: Call): Promise<http.IncomingMessage> {
    const { promise: answer, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const request = this.#open(this.#urlOf(call), {
      method: call.method,
      agent: call.isFresh === true ? this.#freshAgent : this.#agent,
      headers: this.#headersOf(call),
      signal: this.#policy.signal,
    });
    request.once('response', resolve);
    // Stays for good: a socket that breaks after the answer came must not end the process.
    request.on('error', reject);
    request.setTimeout(idleMs, () => {
      request.destroy(
        new ServerError({
          shownCode: 'SERVER_UNREACHABLE',
          message: `${this.origin}: nothing came for ${idleMs / 1000} s`,
          retry: 'repeatable',
        }),
      );
    });
    if (call.stream === undefined) request.end(call.body);
    else await pump(call.stream, request, answer);
    return answer;
  }

  #urlOf(call: Call): URL {
    const base = this.#access.url.pathname.replace(/\/$/, '');
    const url = new URL(base + call.path, this.#access.url);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    return url;
  }

  #headersOf(call: Call): http.OutgoingHttpHeaders {
    const { apiKey } = this.#access;
    return {
      accept: 'application/json, application/problem+json',
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
      ...(call.body === undefined ? {} : { 'content-length': Buffer.byteLength(call.body) }),
      ...call.headers,
    };
  }
}

/** Writes as fast as the socket takes it and stops where the server answers before the end. */
async function pump(
  stream: AsyncIterable<Uint8Array>,
  request: http.ClientRequest,
  answer: Promise<http.IncomingMessage>,
): Promise<void> {
  let isAnswered = false;
  const ended = answer.then(
    () => void (isAnswered = true),
    () => void (isAnswered = true),
  );
  const hasEnded = (): boolean => isAnswered;
  try {
    for await (const bytes of stream) {
      if (hasEnded()) return;
      if (!request.write(bytes)) {
        const drained = new AbortController();
        const drain = once(request, 'drain', { signal: drained.signal }).catch(() => undefined);
        await Promise.race([drain, ended]);
        drained.abort();
      }
    }
    request.end();
  } catch (error) {
    request.destroy();
    throw error;
  }
}

async function readText(answer: http.IncomingMessage, origin: string): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of answer as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > maxSmallAnswerBytes) throw notOurServer(origin, undefined);
      parts.push(part);
    }
  } catch (error) {
    throw connectionError(error, origin);
  }
  return Buffer.concat(parts).toString();
}

function withoutKey(): ServerError {
  return new ServerError({
    shownCode: 'UNAUTHENTICATED',
    message: 'the server wants an API key: --key-file, CERTMILL_API_KEY_FILE or CERTMILL_API_KEY',
    retry: 'never',
    status: 401,
  });
}

/** Something answers that is no Certmill server, or one that we do not understand. */
export function notOurServer(origin: string, cause: unknown): ServerError {
  return new ServerError({
    shownCode: 'SERVER_NOT_UNDERSTOOD',
    message: `${origin} answers in a way that this version of certmill does not understand`,
    retry: 'never',
    cause,
  });
}
