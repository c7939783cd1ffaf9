/**
 * Pre-signed answers a second of the status face, with its clients on the same cores:
 * `node libs/platform/dist/status/ocsp.bench.js [seconds]`. `kept`: out of what the threads keep;
 * `found`: each is looked up, spliced and written by the one thread behind them.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { loadavg } from 'node:os';
import { Worker } from 'node:worker_threads';
import { encodeCertId, encodeSequence } from '@certmill/der';
import { serialNumbersOf, type SerialKey } from '@certmill/domain';
import { issuerHashes, OcspIssuers, packResponses, type AnswerPorts } from '@certmill/pipeline';
import type { LoadClientData } from './load-client.worker.js';
import { replyToStatusCall } from './reply-to-status-call.js';
import { startStatusHttp } from './start-status-http.js';

const seconds = Number(process.argv[2] ?? 5);
const certificates = 10_240;
const perChunk = 256;
const clients = 2;

const nowMs = Date.now();
const serialKey: SerialKey = { id: 1, key: randomBytes(16) };
const batchId = randomBytes(13).toString('hex');
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const issuer = {
  name: 'bench',
  subjectDer: encodeSequence(),
  spkiDer: publicKey.export({ type: 'spki', format: 'der' }),
};
const serials = serialNumbersOf(serialKey, batchId, 0, certificates, nowMs);
const serialOf = (index: number): Uint8Array => serials.subarray(index * 20, index * 20 + 20);

/** Of the size of a real one; nobody verifies it here. */
const documents = Array.from({ length: certificates / perChunk }, (_chunk, chunk) =>
  packResponses(
    Array.from({ length: perChunk }, (_place, place) => {
      const body = Buffer.concat([randomBytes(230), serialOf(chunk * perChunk + place)]);
      return { sha1: body, sha256: body };
    }),
  ),
);

const ports: AnswerPorts = {
  issuers: () => issuers,
  clock: { nowMs: () => Date.now() },
  serialKeys: new Map([[1, serialKey]]),
  presigned: {
    findResponses(_batch, index) {
      const chunkNumber = Math.floor(index / perChunk);
      return Promise.resolve({
        tenant: 'bench',
        batchId,
        chunkNumber,
        firstIndex: chunkNumber * perChunk,
        count: perChunk,
        issuer: 'bench',
        responder: 'r',
        producedAtMs: nowMs,
        thisUpdateMs: nowMs,
        nextUpdateMs: nowMs + 86_400_000,
        digest: '',
        packed: documents[chunkNumber] ?? new Uint8Array(),
      });
    },
    getResponder: (id) =>
      Promise.resolve({
        id,
        issuer: 'bench',
        certificateDer: randomBytes(450),
        notAfterMs: nowMs + 86_400_000,
      }),
  },
};
const issuers = new OcspIssuers([issuer]);
const { nameHash, keyHash } = issuerHashes('sha256', issuer);
const paths = Array.from({ length: certificates }, (_, index) => {
  const certId = encodeCertId('sha256', nameHash, keyHash, serialOf(index));
  const der = encodeSequence(encodeSequence(encodeSequence(encodeSequence(certId))));
  return `/ocsp/${encodeURIComponent(Buffer.from(der).toString('base64'))}`;
});

for (const [name, cachedAnswers] of [
  ['kept', certificates],
  ['found', 0],
] as const) {
  const limits = { cachedMs: 600_000, maxAgeSeconds: 3_600 };
  const observer = { answered: () => undefined, fault: () => undefined };
  const http = await startStatusHttp({
    config: {
      host: '127.0.0.1',
      port: 0,
      threads: 2,
      maxConnections: 1_024,
      cachedAnswers,
      cachedBytes: 32 * 1024 * 1024,
      repositoryCallsAtOnce: 1,
      ...limits,
    },
    echoesNonces: false,
    reply: (call) => replyToStatusCall(ports, call, Date.now(), { limits, observer }),
    onLost: (error) => {
      throw error;
    },
  });
  const data: LoadClientData = {
    port: Number(new URL(http.url).port),
    paths,
    connections: 32,
    seconds,
  };
  const rounds = name === 'kept' ? [2, seconds] : [seconds];
  let rate = 0;
  for (const each of rounds) rate = (await answersOf({ ...data, seconds: each })) / each;
  const load = loadavg()[0]?.toFixed(2) ?? '';
  process.stdout.write(`${name}: ${Math.round(rate)} answers/s, load ${load}\n`);
  await http.stop(1_000);
}

async function answersOf(data: LoadClientData): Promise<number> {
  const running = Array.from({ length: clients }, async () => {
    const file = new URL('./load-client.worker.js', import.meta.url);
    const worker = new Worker(file, { workerData: data });
    const answers = await new Promise<number>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    await worker.terminate();
    return answers;
  });
  return (await Promise.all(running)).reduce((sum, answers) => sum + answers, 0);
}
