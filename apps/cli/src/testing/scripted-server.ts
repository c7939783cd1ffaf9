import { createHash, generateKeyPairSync, hash, sign, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

/** Durable in steps of so many requests, as chunks are. */
const chunkRequests = 2;
export const batchId = 'ab'.repeat(13);
export const apiKey = `cm_${'k'.repeat(43)}`;

const pems = readFileSync(
  join(import.meta.dirname, '../../test-data/device-certificates.pem'),
  'utf8',
)
  .split(/(?<=-----END CERTIFICATE-----\n)/)
  .filter((pem) => pem.trim() !== '');

/** What happens to one call in the place of the usual answer; returns false to answer as usual. */
export type Fault = (
  request: IncomingMessage,
  response: ServerResponse,
  server: ScriptedServer,
) => boolean;

/**
 * A real HTTP server that plays the routes of Certmill for one order and one batch, and breaks calls
 * as a test says. Its certificates are the six of the test data.
 */
export class ScriptedServer {
  /** `METHOD /path` of every call. */
  readonly calls: string[] = [];
  /** csr values of the requests that became durable, in order. */
  readonly durable: { readonly deviceId: string; readonly csr: unknown }[] = [];
  /** Firstindex of each upload. */
  readonly uploadsFrom: number[] = [];
  rejected = 0;
  /** Called before the usual answer, first to last. */
  readonly faults: Fault[] = [];
  total: number | undefined;
  state: 'uploading' | 'processing' | 'complete' = 'uploading';
  /** How many requests have their outcome; the state becomes complete at the total. */
  hasEvents = true;
  tampers = false;
  readonly #keys = generateKeyPairSync('ed25519');
  readonly #server = createServer((request, response) => {
    this.calls.push(`${request.method ?? ''} ${request.url ?? ''}`);
    request.on('error', () => undefined);
    const fault = this.faults[0];
    if (fault?.(request, response, this) === true) {
      this.faults.shift();
      return;
    }
    void this.#answer(request, response);
  });
  readonly #eventStreams = new Set<ServerResponse>();

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this.url;
  }

  get url(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Gives every request its outcome. */
  complete(rejected = 0): void {
    this.total ??= pems.length;
    this.rejected = rejected;
    this.state = 'complete';
    for (const stream of this.#eventStreams) this.#sendEvent(stream);
  }

  get publicKeyPem(): string {
    return this.#keys.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  }

  batch(): object {
    const accepted = this.durable.length || (this.total ?? 0);
    const isComplete = this.state === 'complete';
    return {
      batchId,
      orderId: 'run',
      lane: 'bulk',
      state: this.state,
      nextIndex: this.durable.length,
      ...(this.total === undefined ? {} : { total: this.total }),
      counters: {
        accepted,
        issued: isComplete ? accepted - this.rejected : 0,
        rejected: isComplete ? this.rejected : 0,
        cancelled: 0,
        deadLettered: 0,
        inFlight: isComplete ? 0 : accepted,
      },
      ratePerSecond: 0,
    };
  }

  certificateLines(): string[] {
    return pems.map((pem, index) => {
      const place = {
        chunk: Math.floor(index / chunkRequests),
        index,
        deviceId: `device-${index}`,
      };
      const serialNumber = new X509Certificate(pem).serialNumber.toLowerCase();
      return `${JSON.stringify({ ...place, serialNumber, certificate: pem })}\n`;
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', this.url);
    if (request.headers.authorization !== `Bearer ${apiKey}`) {
      problem(response, 401, 'UNAUTHENTICATED', 'send a valid API key');
      return;
    }
    const route = `${request.method ?? ''} ${pathname}`;
    if (route === 'POST /v1/orders/run/batches') {
      await this.#upload(request, response, Number(searchParams.get('firstIndex')));
    } else if (route === 'GET /v1/orders/run/batches') {
      json(response, { items: this.uploadsFrom.length === 0 ? [] : [this.batch()] });
    } else if (route === `GET /v1/batches/${batchId}`) json(response, this.batch());
    else if (route === `GET /v1/batches/${batchId}/events` && this.hasEvents) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      this.#eventStreams.add(response);
      this.#sendEvent(response);
    } else if (route === `GET /v1/batches/${batchId}/certificates`) {
      const first = Number(searchParams.get('firstChunk'));
      response.end(
        this.certificateLines()
          .slice(first * chunkRequests)
          .join(''),
      );
    } else if (route === `GET /v1/batches/${batchId}/rejections`) {
      response.end('{"index":9,"code":"CSR_POP_INVALID"}\n'.repeat(this.rejected));
    } else if (route === `GET /v1/batches/${batchId}/manifest`) response.end(this.manifest());
    else if (route === 'GET /v1/orders') {
      const cursor = searchParams.get('cursor');
      json(response, {
        items: [order(cursor ?? 'first')],
        ...(cursor === null && { next: 'second' }),
      });
    } else problem(response, 404, 'NOT_FOUND', `there is no ${pathname}`);
  }

  /** Takes whole lines into account, and of them whole chunks, also when the connection breaks. */
  async #upload(request: IncomingMessage, response: ServerResponse, first: number): Promise<void> {
    this.uploadsFrom.push(first);
    let pending = '';
    let fresh: { deviceId: string; csr: unknown }[] = [];
    try {
      for await (const part of request.setEncoding('utf8') as AsyncIterable<string>) {
        const lines = (pending + part).split('\n');
        pending = lines.pop() ?? '';
        fresh.push(...lines.map((line) => JSON.parse(line) as { deviceId: string; csr: unknown }));
        const whole = fresh.length - (fresh.length % chunkRequests);
        this.durable.push(...fresh.slice(0, whole));
        fresh = fresh.slice(whole);
      }
    } catch {
      return;
    }
    this.durable.push(...fresh);
    this.total = this.durable.length;
    this.state = 'processing';
    json(response, this.batch(), 202);
  }

  manifest(): string {
    const entries = this.certificateLines().map((line, index) => {
      const { certificate } = JSON.parse(line) as { certificate: string };
      const sha256 = hash('sha256', new X509Certificate(certificate).raw, 'hex');
      const shown = this.tampers && index === 3 ? '0'.repeat(64) : sha256;
      return `${JSON.stringify({ index, deviceId: `device-${index}`, sha256: shown })}\n`;
    });
    const summary = {
      format: 'certmill-manifest-v1',
      batchId,
      certificates: entries.length,
      entriesSha256: createHash('sha256').update(entries.join('')).digest('hex'),
    };
    const part = (value: object): string =>
      Buffer.from(JSON.stringify(value)).toString('base64url');
    const jwk = this.#keys.publicKey.export({ format: 'jwk' });
    const signed = `${part({ alg: 'EdDSA', jwk })}.${part(summary)}`;
    const signature = sign(null, Buffer.from(signed), this.#keys.privateKey).toString('base64url');
    return `${entries.join('')}{"signature":"${signed}.${signature}"}\n`;
  }

  #sendEvent(stream: ServerResponse): void {
    const isComplete = this.state === 'complete';
    const name = isComplete ? 'complete' : 'progress';
    stream.write(`event: ${name}\ndata: ${JSON.stringify(this.batch())}\n\n`);
    if (isComplete) stream.end();
  }
}

function order(orderId: string): object {
  return {
    orderId,
    profile: 'idevid',
    issuer: 'factory',
    quota: 10_000,
    reserved: 12,
    requiresAllowList: true,
    renews: false,
    devices: 10_000,
    state: 'open',
    expiresAt: '2027-01-31T23:59:59.000Z',
  };
}

export function problem(
  response: ServerResponse,
  status: number,
  code: string,
  detail: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/problem+json', ...headers });
  response.end(JSON.stringify({ type: 'about:blank', title: 'refused', status, code, detail }));
}

function json(response: ServerResponse, value: object, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

/** Breaks the connection without an answer, at once. */
export const reset: Fault = (request) => {
  request.socket.resetAndDestroy();
  return true;
};

export function answer(
  status: number,
  code: string,
  headers: Readonly<Record<string, string>> = {},
): Fault {
  return (request, response) => {
    request.resume();
    problem(response, status, code, `made to answer ${String(status)}`, headers);
    return true;
  };
}
