import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { OcspFile } from '@certmill/adapter-embedded';
import { encodeCertId, encodeSequence } from '@certmill/der';
import { serialNumbersOf, type SerialKey } from '@certmill/domain';
import { issuerHashes, OcspIssuers, packPairs, type AnswerPorts } from '@certmill/pipeline';
import { replyToStatusCall, startStatusHttp, statusHttpSchema } from '@certmill/platform';
import { presignedAnswers } from '@certmill/standalone/presigned-answers';
import type { LoadClientData } from './ocsp-client.worker.js';
import { median, rounded, tellFigures, type PartOptions } from './part.js';

/**
 * Pre-signed answers a second of the status face with its default settings, out of an `OcspFile`, with its
 * clients on the same cores. Responses are of the size of real ones, with octets that nobody signed: a
 * validation authority verifies none, nor do these clients.
 */
export interface OcspFigures {
  readonly certificates: number;
  /** Asked about all of them in random order: more than the caches hold, nearly each is read from the file. */
  readonly spread: OcspRate;
  /** Asked about 1,000 of them: threads keep what they answered. */
  readonly few: OcspRate;
}

export interface OcspRate {
  /** Median of the rounds. */
  readonly perSecond: number;
  /** CPU time of an answer, its client's included: 100 are 20,000 a second on two cores. */
  readonly microseconds: number;
  /** The share that threads had kept. */
  readonly kept: number;
}

const perChunk = 256;
const fewCertificates = 1_000;
const clients = 2;
const connections = 32;
/** Of a P-256 responder: what stands in the file for one certificate and one hash, and its certificate. */
const responseBytes = 250;
const responderBytes = 450;

const startMs = Math.floor(Date.now() / 1_000) * 1_000;
const endMs = startMs + 86_400_000;
const serialKey: SerialKey = { id: 1, key: randomBytes(16) };
const batchId = randomBytes(13).toString('hex');
const issuer = {
  name: 'bench',
  subjectDer: encodeSequence(),
  spkiDer: generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
    type: 'spki',
    format: 'der',
  }),
};

const { nameHash, keyHash } = issuerHashes('sha256', issuer);

await tellFigures(measureOcsp);

async function measureOcsp(options: PartOptions): Promise<OcspFigures> {
  const { directory, ocspCertificates: certificates } = options;
  const serials = serialNumbersOf(serialKey, batchId, 0, certificates, startMs);
  const path = join(directory, 'responses.sqlite');
  const file = new OcspFile(path);
  await fill(file, serials);
  // Neighbours lie together: whoever asks in their order would find each in the page it has just read.
  const paths = shuffled(pathsOf(serials));
  const spread = await rateOf({ file, path }, paths, options);
  const few = await rateOf({ file, path }, paths.slice(0, fewCertificates), options);
  await file.stop();
  return { certificates, spread, few };
}

async function fill(file: OcspFile, serials: Uint8Array): Promise<void> {
  await file.putResponder({
    id: 'r',
    issuer: issuer.name,
    certificateDer: randomBytes(responderBytes),
    notAfterMs: endMs,
  });
  const certificates = serials.length / 20;
  for (let firstIndex = 0; firstIndex < certificates; firstIndex += perChunk) {
    const count = Math.min(perChunk, certificates - firstIndex);
    const pairs = Array.from({ length: count }, (_, place) => {
      const at = (firstIndex + place) * 20;
      const certId = encodeCertId('sha256', nameHash, keyHash, serials.subarray(at, at + 20));
      const body = Buffer.concat([certId, randomBytes(responseBytes - certId.length)]);
      return { sha1: body, sha256: body };
    });
    const responses = {
      ...{ tenant: 'bench', batchId, chunkNumber: firstIndex / perChunk, firstIndex, count },
      ...{ issuer: issuer.name, responder: 'r', digest: '' },
      ...{ producedAtMs: startMs, thisUpdateMs: startMs, nextUpdateMs: endMs },
      pairs: packPairs(pairs),
    };
    await file.putResponses(responses, undefined);
  }
}

/** Requests by GET, one certificate each, as RFC 6960 A.1 has them. */
function pathsOf(serials: Uint8Array): string[] {
  return Array.from({ length: serials.length / 20 }, (_, index) => {
    const serial = serials.subarray(index * 20, index * 20 + 20);
    const certId = encodeCertId('sha256', nameHash, keyHash, serial);
    const der = encodeSequence(encodeSequence(encodeSequence(encodeSequence(certId))));
    return `/ocsp/${encodeURIComponent(Buffer.from(der).toString('base64'))}`;
  });
}

async function rateOf(
  { file, path }: { readonly file: OcspFile; readonly path: string },
  paths: readonly string[],
  { rounds, seconds }: PartOptions,
): Promise<OcspRate> {
  const ports: AnswerPorts = {
    issuers: new OcspIssuers([issuer]),
    clock: { nowMs: () => Date.now() },
    serialKeys: new Map([[1, serialKey]]),
    presigned: file,
  };
  const config = statusHttpSchema.parse({ port: 0 });
  const observer = {
    answered(kind: string) {
      if (kind !== 'successful') throw new RangeError(`answered ${kind}`);
    },
    fault: (error: unknown) => {
      throw error;
    },
  };
  const http = await startStatusHttp({
    config,
    echoesNonces: false,
    answers: presignedAnswers({ path, serialKeys: ports.serialKeys }),
    reply: (call) => replyToStatusCall(ports, call, Date.now(), { limits: config, observer }),
    onLost: (error) => {
      throw error;
    },
  });
  const port = Number(new URL(http.url).port);
  await answersOf({ port, paths, connections, seconds });
  const keptBefore = http.answersOfThreads().cached;
  const cpuBefore = process.cpuUsage();
  const answers: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    answers.push(await answersOf({ port, paths, connections, seconds }));
  }
  const sum = answers.reduce((one, other) => one + other, 0);
  const { user, system } = process.cpuUsage(cpuBefore);
  const microseconds = Math.round((user + system) / sum);
  const kept = rounded((http.answersOfThreads().cached - keptBefore) / sum, 2);
  await http.stop(1_000);
  return { perSecond: Math.round(median(answers) / seconds), microseconds, kept };
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

function shuffled(items: string[]): string[] {
  for (let i = items.length - 1; i > 0; i -= 1) {
    const j = Math.floor(Math.random() * (i + 1));
    [items[i], items[j]] = [items[j] ?? '', items[i] ?? ''];
  }
  return items;
}
