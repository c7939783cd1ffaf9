import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { request, type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { CertmillError } from '@certmill/domain';

/** A server on loopback and a key for it. */
export interface ServerAccess {
  readonly url: string;
  readonly key: string;
}

export interface DrivenBatch {
  readonly batchId: string;
  /** From the first octet of the upload to the last of the download. */
  readonly seconds: number;
  readonly uploadSeconds: number;
  readonly issued: number;
  readonly rejected: number;
}

interface BatchAnswer {
  readonly batchId: string;
  readonly counters: {
    readonly accepted: number;
    readonly issued: number;
    readonly rejected: number;
  };
}

const pollMs = 200;
const uploadBytes = 256 * 1024;

/**
 * One upload as a factory does it, with its download beside it: streams the NDJSON file into the order
 * and follows the certificates (PEM) into `certificatesFile` as they are published.
 */
export async function driveBatch(
  server: ServerAccess,
  orderId: string,
  requestsFile: string,
  certificatesFile: string,
  onProgress: (counters: BatchAnswer['counters']) => void,
): Promise<DrivenBatch> {
  const idempotencyKey = `drive-${String(Date.now())}`;
  const batches = `/v1/orders/${orderId}/batches`;
  const begun = performance.now();
  let uploadSeconds = 0;
  const upload = uploadFile(server, batches, requestsFile, idempotencyKey).then(() => {
    uploadSeconds = (performance.now() - begun) / 1000;
  });
  const download = (async () => {
    const batchId = await findBatch(server, `${batches}?idempotencyKey=${idempotencyKey}`);
    const watching = new AbortController();
    const watch = watchBatch(server, batchId, onProgress, watching.signal);
    const body = await call(server, `/v1/batches/${batchId}/certificates?format=pem&follow=true`);
    await pipeline(body, createWriteStream(certificatesFile));
    const seconds = (performance.now() - begun) / 1000;
    watching.abort();
    await watch;
    return { batchId, seconds };
  })();
  const [, { batchId, seconds }] = await Promise.all([upload, download]);
  const batch = await json<BatchAnswer>(server, `/v1/batches/${batchId}`);
  onProgress(batch.counters);
  const { issued, rejected } = batch.counters;
  return { batchId, seconds, uploadSeconds, issued, rejected };
}

/** A call whose answer is JSON. Throws with the problem's code and detail where it is not 2xx. */
export async function json<T>(
  server: ServerAccess,
  path: string,
  options: { readonly method?: string; readonly body?: string; readonly contentType?: string } = {},
): Promise<T> {
  const response = await call(server, path, options);
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as T;
}

/** Streams a file as a body; resolves to the answer. */
export async function putFile(
  server: ServerAccess,
  path: string,
  file: string,
  contentType: string,
): Promise<void> {
  await send(server, path, { method: 'PUT', headers: { 'content-type': contentType } }, file);
}

async function uploadFile(
  server: ServerAccess,
  path: string,
  file: string,
  idempotencyKey: string,
): Promise<void> {
  const headers = { 'content-type': 'application/x-ndjson', 'idempotency-key': idempotencyKey };
  await send(server, path, { method: 'POST', headers }, file);
}

async function send(
  server: ServerAccess,
  path: string,
  options: RequestOptions,
  file: string,
): Promise<void> {
  await using source = await open(file);
  const { size } = await source.stat();
  const outgoing = request(new URL(path, server.url), {
    ...options,
    headers: {
      ...(options.headers as object),
      authorization: `Bearer ${server.key}`,
      'content-length': size,
    },
  });
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
  const sent = writeFile(source, outgoing);
  const [response] = await Promise.race([answered, sent.then(() => answered)]);
  await assertGood(response);
  response.resume();
  await once(response, 'end');
}

/** Two buffers in turn, for what a client allocates it collects on the server's cores. */
async function writeFile(source: FileHandle, outgoing: ClientRequest): Promise<void> {
  const buffers = [Buffer.allocUnsafeSlow(uploadBytes), Buffer.allocUnsafeSlow(uploadBytes)];
  let flushed = Promise.resolve();
  for (let turn = 0; ; turn++) {
    const { buffer, bytesRead } = await source.read(buffers[turn % 2] as Buffer);
    await flushed;
    if (bytesRead === 0) break;
    flushed = new Promise((resolve, reject) => {
      outgoing.write(buffer.subarray(0, bytesRead), (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }
  outgoing.end();
}

async function call(
  server: ServerAccess,
  path: string,
  options: { readonly method?: string; readonly body?: string; readonly contentType?: string } = {},
): Promise<IncomingMessage> {
  const outgoing = request(new URL(path, server.url), {
    method: options.method ?? 'GET',
    headers: {
      authorization: `Bearer ${server.key}`,
      ...(options.body === undefined
        ? {}
        : { 'content-type': options.contentType ?? 'application/json' }),
    },
  });
  outgoing.end(options.body);
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  await assertGood(response);
  return response;
}

async function assertGood(response: IncomingMessage): Promise<void> {
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return;
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  throw new CertmillError(
    'FAULT_PROCESSING',
    `the server answered ${String(status)}: ${Buffer.concat(chunks).toString().slice(0, 500)}`,
  );
}

async function findBatch(server: ServerAccess, path: string): Promise<string> {
  for (;;) {
    const { items } = await json<{ items: readonly BatchAnswer[] }>(server, path);
    const [batch] = items;
    if (batch !== undefined) return batch.batchId;
    await pause(10);
  }
}

async function watchBatch(
  server: ServerAccess,
  batchId: string,
  onProgress: (counters: BatchAnswer['counters']) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const { counters } = await json<BatchAnswer>(server, `/v1/batches/${batchId}`);
    onProgress(counters);
    await pause(pollMs);
  }
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
