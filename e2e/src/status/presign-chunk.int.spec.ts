import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OcspFile } from '@certmill/adapter-embedded';
import { presignChunk, startPresigning, type PresignPorts } from '@certmill/pipeline';
import type { OcspPresigner } from '@certmill/ports';
import { loadIssuers, openSerialKeys } from '@certmill/trust';
import { patchedStore } from '../crash/patched-store.js';
import { aServer, type TestServer } from '../http/test-server.js';
import { issueFiles, revoke, type IssuedFiles } from './certificate-holder.js';

/** Certificates and statuses of a real server; the responses of hosts whose clocks differ. */
let server: TestServer;
let files: IssuedFiles;
let directory: string;
let responses: OcspFile;
let ports: PresignPorts;
let revoked = 0;
const startMs = Date.now();
const hourMs = 3_600_000;
const lifetimeSeconds = 7 * 24 * 3_600;

beforeAll(async () => {
  server = await aServer();
  files = await issueFiles(server, 8);
  directory = await mkdtemp(join(tmpdir(), 'certmill-presign-'));
});

afterAll(async () => {
  await files[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

beforeEach(async () => {
  responses = new OcspFile(join(directory, `${String(revoked)}-${String(Math.random())}.sqlite`));
  const issuers = new Map((await loadIssuers(server.data)).map((issuer) => [issuer.name, issuer]));
  const { all } = await openSerialKeys(server.data);
  ports = {
    certificates: server.server.issuance.store,
    revocations: server.server.issuance.store,
    responses,
    presigner: { signResponses },
    issuerOf: (name) => issuers.get(name),
    serialKeys: new Map(all.map((key) => [key.id, key])),
    clock: { nowMs: () => startMs },
    policy: { lifetimeSecondsOf: () => lifetimeSeconds, longestSeconds: lifetimeSeconds },
  };
});
afterEach(() => responses.stop());

/** Tells what it was given in place of a signature. */
const signResponses: OcspPresigner['signResponses'] = (issuer, { statuses }) =>
  Promise.resolve({
    pairs: [Buffer.from(statuses.map(({ status }) => status.kind).join(' '))],
    responder: { id: 'r', issuer, certificateDer: Buffer.of(), notAfterMs: startMs + hourMs },
  });

const chunk = () => ({ tenant: files.tenant, batchId: files.batchId, chunkNumber: 0 });

function presignAt(aheadMs: number, changes: Partial<PresignPorts> = {}) {
  const clock = { nowMs: () => startMs + aheadMs };
  return presignChunk({ ...ports, clock, ...changes }, chunk());
}

async function revokeOne(): Promise<void> {
  await revoke(server, files, (revoked += 1), 'keyCompromise');
}

/** How many of the chunk are told to be revoked. */
async function toldRevoked(): Promise<number> {
  const found = await responses.findPair(files.batchId, 0);
  return Buffer.from(found?.packed ?? [])
    .toString()
    .split(' ')
    .filter((kind) => kind === 'revoked').length;
}

test('a revocation is told though the host that signed before it has a clock ahead', async () => {
  expect(await presignAt(4_000)).toBe('signed');
  await revokeOne();
  expect(await presignAt(0)).toBe('signed');
  expect(await toldRevoked()).toBe(revoked);
});

test('a host whose clock is far behind what is in force signs nothing, and says so', async () => {
  await presignAt(hourMs);
  await revokeOne();
  await expect(presignAt(0)).rejects.toMatchObject({ code: 'FAULT_CLOCK_BACKWARDS' });
  expect(await presignAt(hourMs - 4_000)).toBe('signed');
  expect(await toldRevoked()).toBe(revoked);
});

test('who has read the statuses before another process put its responses reads them again', async () => {
  const isFirst = { value: true };
  const overtaken: OcspPresigner['signResponses'] = async (...asked) => {
    if (isFirst.value) {
      isFirst.value = false;
      await revokeOne();
      expect(await presignAt(0)).toBe('signed');
    }
    return signResponses(...asked);
  };
  // Its clock is ahead, too.
  expect(await presignAt(4_000, { presigner: { signResponses: overtaken } })).toBe('current');
  expect(await toldRevoked()).toBe(revoked);
});

test('what tells the same is not signed again before its time', async () => {
  expect(await presignAt(0)).toBe('signed');
  expect(await presignAt(60_000)).toBe('current');
  expect(await presignAt((lifetimeSeconds * 1_000 * 2) / 3 + 1_000)).toBe('signed');
});

test('a process that does not know the issuer, or has no responder, leaves it to another', async () => {
  for (const changes of [
    { issuerOf: () => undefined },
    { presigner: { signResponses: () => Promise.resolve(undefined) } },
  ]) {
    await expect(presignAt(0, changes)).rejects.toMatchObject({ code: 'FAULT_PROCESSING' });
  }
});

test('they last as long as their issuer has it, and where it has none any more they are taken away', async () => {
  const policyOf = (seconds: number | undefined): Partial<PresignPorts> => ({
    policy: {
      lifetimeSecondsOf: (issuer) => (issuer === 'dev' ? seconds : lifetimeSeconds),
      longestSeconds: lifetimeSeconds,
    },
  });
  expect(await presignAt(0, policyOf(3 * 3_600))).toBe('signed');
  const found = await responses.findResponses(files.batchId, 0);
  expect((found?.nextUpdateMs ?? 0) - (found?.thisUpdateMs ?? 0)).toBe(3 * hourMs);
  expect(await presignAt(0, policyOf(undefined))).toBe('none');
  expect(await responses.findResponses(files.batchId, 0)).toBeUndefined();
});

test('responses of certificates that have ended are taken away', async () => {
  await presignAt(0);
  const issuers = ['dev'];
  const endMs = startMs + 100 * 365 * 24 * hourMs;
  expect(await responses.listEndingResponses(endMs, { issuers, limit: 9 })).toHaveLength(1);
  expect(await presignAt(endMs - startMs)).toBe('none');
  expect(await responses.listEndingResponses(endMs, { issuers, limit: 9 })).toEqual([]);
});

test('what a revoked issuer has issued is signed anew once for each reason, however often the process is started', async () => {
  const { store } = server.server.issuance;
  expect(await presignAt(0)).toBe('signed');
  const revokedAtMs = startMs - 24 * hourMs;
  let reason: 'superseded' | 'cACompromise' = 'superseded';
  const read: string[] = [];
  /** From when on all know of the revocation. */
  let sinceMs = Infinity;
  const jobs = patchedStore(store, {
    async add(queue, job) {
      if ('revocation' in job.data) sinceMs = Number(job.data['sinceMs']);
      await store.add(queue, job);
    },
  });
  const start = (): ReturnType<typeof startPresigning> =>
    startPresigning({
      ...ports,
      ...{ jobs, tenants: store, orders: store, batches: store, revocations: store },
      responses,
      certificates: {
        getSegment(asked) {
          read.push(asked.batchId);
          return store.getSegment(asked);
        },
        findChunk: (...asked) => store.findChunk(...asked),
        chunkState: (asked) => store.chunkState(asked),
      },
      clock: { nowMs: () => Date.now() },
      issuers: () => ['dev'],
      issuerOf(name) {
        const issuer = ports.issuerOf(name);
        return issuer && { ...issuer, revoked: { revokedAtMs, reason } };
      },
      concurrency: 1,
      onFault: (error) => {
        throw error;
      },
    });
  const first = await start();
  // What was signed before all knew of it, if it tells the same: once more.
  const signedAtMs = async () => (await responses.findResponses(files.batchId, 0))?.producedAtMs;
  while ((await toldRevoked()) < 8 || ((await signedAtMs()) ?? 0) < sinceMs) await sleep(100);
  await first.stop(1_000);
  expect(await toldRevoked()).toBe(8);
  read.length = 0;
  const again = await start();
  await sleep(4_500);
  expect(read).toEqual([]);
  await again.stop(1_000);
  // The time of the first one stays, and what is told changes.
  reason = 'cACompromise';
  const later = await start();
  while (read.length === 0) await sleep(100);
  await later.stop(1_000);
  expect(read[0]).toBe(files.batchId);
});
