/**
 * Run by hand: `node apps/standalone/dist/ocsp.bench.js [seconds] [certificates]`. Pre-signed answers a
 * second of the status face with its default settings, out of an `OcspFile`, with its clients on the same
 * cores. `spread`: over all certificates, more than the caches hold, so that nearly each answer is read
 * from the file; `few`: over 1,000 of them, so that threads keep them for `cachedMs`. Each line says how
 * much came out of the threads. Responses are of the size of real ones, with octets that nobody signed:
 * a validation authority verifies none, nor do these clients.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { OcspFile } from '@certmill/adapter-embedded';
import { encodeCertId, encodeSequence } from '@certmill/der';
import { serialNumbersOf, type SerialKey } from '@certmill/domain';
import { issuerHashes, OcspIssuers, packResponses, type AnswerPorts } from '@certmill/pipeline';
import { replyToStatusCall, startStatusHttp, statusHttpSchema } from '@certmill/platform';
import type { LoadClientData } from './ocsp-client.worker.js';

const seconds = Number(process.argv[2] ?? 5);
const certificates = Number(process.argv[3] ?? 102_400);
const perChunk = 256;
const fewCertificates = 1_000;
const clients = 2;
/** Of a P-256 responder: what stands in the file for one certificate and one hash, and its certificate. */
const responseBytes = 250;
const responderBytes = 450;

const startMs = Math.floor(Date.now() / 1_000) * 1_000;
const endMs = startMs + 86_400_000;
const serialKey: SerialKey = { id: 1, key: randomBytes(16) };
const batchId = randomBytes(13).toString('hex');
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const issuer = {
  name: 'bench',
  subjectDer: encodeSequence(),
  spkiDer: publicKey.export({ type: 'spki', format: 'der' }),
};
const serials = serialNumbersOf(serialKey, batchId, 0, certificates, startMs);
const serialOf = (index: number): Uint8Array => serials.subarray(index * 20, index * 20 + 20);

const directory = await mkdtemp(join(tmpdir(), 'certmill-ocsp-bench-'));
const file = new OcspFile(join(directory, 'responses.sqlite'));
try {
  await fill();
  const { nameHash, keyHash } = issuerHashes('sha256', issuer);
  const paths = Array.from({ length: certificates }, (_, index) => {
    const certId = encodeCertId('sha256', nameHash, keyHash, serialOf(index));
    const der = encodeSequence(encodeSequence(encodeSequence(encodeSequence(certId))));
    return `/ocsp/${encodeURIComponent(Buffer.from(der).toString('base64'))}`;
  });
  // Neighbours share a document: whoever asks in their order would read each 256 times in a row.
  shuffle(paths);
  await measure('spread', paths);
  await measure('few', paths.slice(0, fewCertificates));
} finally {
  await file.stop();
  await rm(directory, { recursive: true });
}

async function fill(): Promise<void> {
  await file.putResponder({
    id: 'r',
    issuer: issuer.name,
    certificateDer: randomBytes(responderBytes),
    notAfterMs: endMs,
  });
  for (let firstIndex = 0; firstIndex < certificates; firstIndex += perChunk) {
    const count = Math.min(perChunk, certificates - firstIndex);
    const pairs = Array.from({ length: count }, (_, place) => {
      const body = Buffer.concat([randomBytes(responseBytes - 20), serialOf(firstIndex + place)]);
      return { sha1: body, sha256: body };
    });
    const responses = {
      ...{ tenant: 'bench', batchId, chunkNumber: firstIndex / perChunk, firstIndex, count },
      ...{ issuer: issuer.name, responder: 'r', digest: '' },
      ...{ producedAtMs: startMs, thisUpdateMs: startMs, nextUpdateMs: endMs },
      packed: packResponses(pairs),
    };
    await file.putResponses(responses, undefined);
  }
}

async function measure(name: string, paths: readonly string[]): Promise<void> {
  const issuers = new OcspIssuers([issuer]);
  const ports: AnswerPorts = {
    issuers,
    clock: { nowMs: () => Date.now() },
    serialKeys: new Map([[1, serialKey]]),
    presigned: file,
  };
  const config = statusHttpSchema.parse({ port: 0 });
  const refused = new Set<string>();
  const observer = {
    answered(kind: string) {
      if (kind !== 'successful') refused.add(kind);
    },
    fault: (error: unknown) => {
      throw error;
    },
  };
  const http = await startStatusHttp({
    config,
    echoesNonces: false,
    reply: (call) => replyToStatusCall(ports, call, Date.now(), { limits: config, observer }),
    onLost: (error) => {
      throw error;
    },
  });
  const port = Number(new URL(http.url).port);
  await answersOf({ port, paths, connections: 32, seconds: Math.min(2, seconds) });
  const keptBefore = http.cachedAnswers();
  const answers = await answersOf({ port, paths, connections: 32, seconds });
  const kept = Math.round((100 * (http.cachedAnswers() - keptBefore)) / answers);
  const load = loadavg()[0]?.toFixed(2) ?? '';
  const rate = Math.round(answers / seconds);
  const others = refused.size === 0 ? '' : `, also ${[...refused].join(', ')}`;
  process.stdout.write(
    `${name}: ${String(rate)} answers/s of ${String(paths.length)} certificates, ` +
      `${String(kept)} % kept, load ${load}${others}\n`,
  );
  await http.stop(1_000);
}

/** Each client asks in an order of its own, from another place on. */
async function answersOf(data: LoadClientData): Promise<number> {
  const running = Array.from({ length: clients }, async (_, client) => {
    const at = Math.floor((client * data.paths.length) / clients);
    const paths = [...data.paths.slice(at), ...data.paths.slice(0, at)];
    const worker = new Worker(new URL('./ocsp-client.worker.js', import.meta.url), {
      workerData: { ...data, paths },
    });
    const answers = await new Promise<number>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    await worker.terminate();
    return answers;
  });
  return (await Promise.all(running)).reduce((sum, answers) => sum + answers, 0);
}

function shuffle(items: string[]): void {
  for (let i = items.length - 1; i > 0; i -= 1) {
    const j = Math.floor(Math.random() * (i + 1));
    [items[i], items[j]] = [items[j] ?? '', items[i] ?? ''];
  }
}
