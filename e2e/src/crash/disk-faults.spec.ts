import '../one-realm.js';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { serve, serveSchema, type Server } from '@certmill/standalone';
import { openStoreForReading, verifyFolder } from '@certmill/standalone/folder';
import { createHierarchy } from '@certmill/trust';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import {
  armDisks,
  disarmDisks,
  diskSteps,
  faultyLogDisk,
  faultyStoreDiskModule,
  isArmed,
  type DiskFault,
  type DiskStep,
} from './faulty-disks.js';
import type { BatchAnswer } from './factory-client.js';
import { oracleSlotModule } from './oracle-slot.js';

const perBatch = 12;
const allDevices = csrsOf(perBatch * 40, 'faults');
/** What an upload waits for; the other steps are the stages' own, which try again by themselves. */
const ingestSteps: readonly DiskStep[] = [
  'commit:openBatch',
  'commit:registerChunk',
  'log:write',
  'log:datasync',
  'commit:confirmChunk',
  'commit:completeUpload',
];

let directory = '';
let controlFile = '';
let server: Server;
let stopped: Promise<void> | undefined;
let key = '';
let batches = 0;
/** Certificates as downloaded, PEM lines by batch id. */
const downloaded = new Map<string, string>();

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'certmill-faults-'));
  controlFile = join(directory, 'fault');
  const passphrase = 'only for this test';
  const passphraseFile = join(directory, 'test-passphrase');
  await createHierarchy({ name: 'dev', directory, passphrase, nowMs: Date.now() });
  await writeFile(passphraseFile, passphrase);
  const config = serveSchema.parse({
    data: directory,
    passphraseFile,
    workers: { validate: 1, sign: 1 },
    logLevel: 'silent',
    http: { port: 0 },
  });
  const files = { oracleFile: join(directory, 'oracle'), reportFile: join(directory, 'reports') };
  server = await serve(config, {
    storeDiskModule: faultyStoreDiskModule(controlFile),
    logDisk: faultyLogDisk(controlFile),
    slotModule: oracleSlotModule({ ...files, armed: undefined }),
  });
  key = (await server.openFirstCredential())?.key ?? '';
  const expiresAt = new Date(Date.now() + 86_400_000).toISOString();
  const order = { orderId: 'o1', profile: 'tls-client', quota: 10_000, expiresAt };
  const opened = await call('POST', '/v1/orders', {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...order, requiresAllowList: false }),
  });
  expect(opened.status).toBe(201);
});

/** Once: its folder is given back then. */
function stopServer(): Promise<void> {
  return (stopped ??= server.stop());
}

afterAll(async () => {
  await stopServer();
  await rm(directory, { recursive: true });
});

interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

function call(method: string, path: string, init: CallOptions = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${key}`, ...init.headers };
  return fetch(server.url + path, { ...init, method, headers });
}

/** A batch of new devices that can be sent as often as it takes. */
function aBatch() {
  const number = batches++;
  const devices = allDevices.slice(number * perBatch, (number + 1) * perBatch);
  const body = ndjsonOf(devices);
  const headers = {
    'content-type': 'application/x-ndjson',
    'idempotency-key': `batch-${number}`,
  };
  return { upload: () => call('POST', '/v1/orders/o1/batches', { headers, body }), headers };
}

/**
 * Resolves to the 202. Where a call of the upload shared its transaction with the one that fails, the
 * upload is refused with that code; sent again it is taken.
 */
async function acknowledgedAfter(upload: () => Promise<Response>, code: string): Promise<Response> {
  for (;;) {
    const response = await upload();
    if (response.status === 202) return response;
    expect(await codeOf(response)).toBe(code);
  }
}

async function complete(response: Response): Promise<BatchAnswer> {
  expect(response.status).toBe(202);
  const { batchId } = (await response.json()) as BatchAnswer;
  for (;;) {
    const answer = (await (await call('GET', `/v1/batches/${batchId}`)).json()) as BatchAnswer;
    if (answer.state === 'complete') {
      const lines = await call('GET', `/v1/batches/${batchId}/certificates?format=ndjson`);
      downloaded.set(batchId, await lines.text());
      return answer;
    }
    await pause(20);
  }
}

async function codeOf(response: Response): Promise<string> {
  return ((await response.json()) as { readonly code: string }).code;
}

function codeFor(step: DiskStep, code: DiskFault['code']): string {
  if (code === 'ENOSPC') return 'FAULT_DISK_FULL';
  return step.startsWith('log:') ? 'FAULT_BUS_DOWN' : 'FAULT_STORE_DOWN';
}

const allIssued = { accepted: perBatch, issued: perBatch, rejected: 0, inFlight: 0 };

describe('an I/O step that fails once, on the way of a chunk', () => {
  const rows = diskSteps.flatMap((step) =>
    (['fails', 'persists'] as const).map((mode) => ({ step, mode })),
  );

  test.each(rows)(
    '$step $mode: a coded error or no error at all, and everything is issued once',
    async ({ step, mode }) => {
      const code = mode === 'fails' ? 'ENOSPC' : 'EIO';
      const { upload } = aBatch();
      armDisks(controlFile, { step, mode, code, lasts: false });
      if (ingestSteps.includes(step)) {
        const refused = await upload();
        expect(refused.status).toBe(code === 'ENOSPC' ? 507 : 503);
        expect(await codeOf(refused)).toBe(codeFor(step, code));
        expect(isArmed(controlFile)).toBe(false);
      }
      const { counters } = await complete(await acknowledgedAfter(upload, codeFor(step, code)));
      expect(counters).toMatchObject(allIssued);
      expect(isArmed(controlFile)).toBe(false);
    },
  );
});

describe('a disk that stays broken', () => {
  const faults = [
    { how: 'no room for the log', step: 'log:write', code: 'ENOSPC', status: 507 },
    { how: 'a failing fsync of the log', step: 'log:datasync', code: 'EIO', status: 503 },
    { how: 'no room for the store', step: 'commit:registerChunk', code: 'ENOSPC', status: 507 },
  ] as const;

  test.each(faults)(
    '$how: nothing is acknowledged or issued, and work goes on once it is mended',
    async ({ step, code, status }) => {
      const { upload, headers } = aBatch();
      armDisks(controlFile, { step, code, mode: 'fails', lasts: true });
      for (let i = 0; i < 3; i++) {
        const refused = await upload();
        expect(refused.status).toBe(status);
        expect(await codeOf(refused)).toBe(codeFor(step, code));
      }
      const query = `idempotencyKey=${headers['idempotency-key']}`;
      const found = await call('GET', `/v1/orders/o1/batches?${query}`);
      const { items } = (await found.json()) as { readonly items: readonly BatchAnswer[] };
      expect(items).toMatchObject([{ nextIndex: 0, counters: { accepted: 0, issued: 0 } }]);
      disarmDisks(controlFile);
      expect((await complete(await upload())).counters).toMatchObject(allIssued);
    },
  );

  const stageFaults = [
    { how: 'no room for verdicts', step: 'commit:decide', code: 'ENOSPC' },
    { how: 'no room for segments', step: 'store:write', code: 'ENOSPC' },
    { how: 'a failing fsync of segments', step: 'store:fdatasync', code: 'EIO' },
    { how: 'no room for the end of chunks', step: 'commit:publish', code: 'ENOSPC' },
  ] as const;

  test.each(stageFaults)(
    '$how: nothing is shown as issued, and what was acknowledged is issued once it is mended',
    async ({ step, code }) => {
      const { upload } = aBatch();
      armDisks(controlFile, { step, code, mode: 'fails', lasts: true });
      const acknowledged = await acknowledgedAfter(upload, codeFor(step, code));
      const { batchId } = (await acknowledged.clone().json()) as BatchAnswer;
      // Long enough for the stage to have tried again.
      await pause(400);
      const view = (await (await call('GET', `/v1/batches/${batchId}`)).json()) as BatchAnswer;
      const inFlight = { accepted: perBatch, issued: 0, deadLettered: 0, inFlight: perBatch };
      expect(view.counters).toMatchObject(inFlight);
      const early = await call('GET', `/v1/batches/${batchId}/certificates?format=ndjson`);
      expect(await early.text()).toBe('');
      disarmDisks(controlFile);
      expect((await complete(acknowledged)).counters).toMatchObject(allIssued);
    },
  );
});

describe('after all of it', () => {
  it('the store is sound, holds what was downloaded, and one TBS per request was signed', async () => {
    expect(downloaded.size).toBe(batches);
    for (const [batchId, lines] of downloaded) {
      const again = await call('GET', `/v1/batches/${batchId}/certificates?format=ndjson`);
      expect(await again.text()).toBe(lines);
    }
    await stopServer();
    await using opened = await openStoreForReading(directory);
    const verified = await verifyFolder(opened, () => undefined);
    expect(verified).toMatchObject({ findings: [], inFlight: 0, certificates: batches * perBatch });
    const signed = readFileSync(join(directory, 'oracle'), 'utf8').trim().split('\n');
    expect(new Set(signed.map((line) => line.split(' ')[0])).size).toBe(batches * perBatch);
    expect(new Set(signed).size).toBe(batches * perBatch);
  });
});
