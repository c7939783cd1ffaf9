import '../../one-realm.js';
import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { batchIdOf, CertmillError } from '@certmill/domain';
import {
  openFleetForReading,
  readFleetConfig,
  verifyFleet,
  type MigrationReport,
} from '@certmill/fleet';
import {
  KafkaCluster,
  LocalFleet,
  makeRunFolder,
  MongoStandIn,
  RedisServer,
} from '@certmill/native';
import { resultsOf } from '@certmill/pipeline';
import { takeDataFolder } from '@certmill/standalone/folder';
import { jest } from '@jest/globals';
import { patchedStore } from '../../crash/patched-store.js';
import { anOrder, aServerIn, ndjson, type TestServer } from '../../http/test-server.js';
import { aForgedCsr, aKey, aCsr, csrsOf, ndjsonOf } from '../../testing/a-csr.js';
import { anUpload, batchesOf, cutOff, rejectionsOf, whenDone } from '../factory.js';
import { call, everythingOf, type Face } from './answers.js';

jest.setTimeout(600_000);

const certmill = join(import.meta.dirname, '../../../../node_modules/.bin/certmill');
const kills = 4;
const hungAfterMs = 120_000;

let folder = '';
let data = '';
let fleet: LocalFleet;
let servers: readonly { stop(): Promise<unknown> }[] = [];
/** What the server answered before it was stopped. */
let answers = new Map<string, unknown>();
let server: Face;
/** Ids of batches in which validate finds poison. */
const poisoned = new Set<string>();
const devices = csrsOf(1_500, 'listed');
/** Of a device whose certificate is revoked, and of one whose is not. */
const knownKeys = [aKey(), aKey()];
const others = csrsOf(1_200, 'open').map(({ deviceId, csr }, i) => {
  const key = [knownKeys[0], undefined, undefined, knownKeys[1]][i];
  return { deviceId, csr: key === undefined ? csr : aCsr(deviceId, key) };
});
const revoked = others.slice(0, 3);
/** Of the devices that were revoked: their certificates of now. */
const renewed = revoked.map(({ deviceId }) => ({ deviceId, csr: aCsr(deviceId) }));
const cancelled = csrsOf(600, 'cancelled');
const resumed = csrsOf(700, 'resumed');
const dead = csrsOf(20, 'dead');

beforeAll(async () => {
  folder = await makeRunFolder();
  data = join(folder, 'data');
  const [kafka, store, redis] = await Promise.all([
    KafkaCluster.start({ folder: join(folder, 'kafka'), brokers: 1 }),
    MongoStandIn.start({ folder: join(folder, 'mongo') }),
    RedisServer.start({ folder: join(folder, 'redis') }),
  ]);
  servers = [kafka, store, redis];
  fleet = await LocalFleet.prepare({
    folder: join(folder, 'fleet'),
    environment: {
      KAFKA_BROKERS: kafka.brokers.join(','),
      MONGODB_URI: store.uri,
      REDIS_URL: redis.url,
    },
    plan: (['ingest', 'validate', 'sign', 'publish'] as const).map((role) => {
      return { role, lanes: ['bulk', 'interactive'] as const };
    }),
    settings: { manifestKeyFile: join(data, 'manifest-key.pem') },
  });
  await mkdir(data, { mode: 0o700 });
  const trust = join(fleet.folder, 'trust');
  for (const name of ['ca', 'serial-keys.json']) {
    await cp(join(trust, name), join(data, name), { recursive: true });
  }
  const passphrase = await readFile(join(fleet.folder, 'passphrase'), 'utf8');
  await writeFile(join(data, 'test-passphrase'), passphrase.trimEnd());
  const standalone = await aServerIn(data, {}, {}, { aroundStore: poison });
  server = standalone;
  try {
    await work(standalone);
    answers = await everythingOf(server);
  } finally {
    await standalone[Symbol.asyncDispose]();
  }
});

function poison<T extends object>(store: T): T {
  return patchedStore(store, {
    getVerdict(chunk: { readonly batchId: string }) {
      if (poisoned.has(chunk.batchId)) {
        return Promise.reject(new CertmillError('FAULT_PROCESSING', 'poison'));
      }
      return (store as { getVerdict(of: unknown): unknown }).getVerdict(chunk);
    },
  } as unknown as Partial<T>);
}

afterAll(async () => {
  await fleet.stop();
  await Promise.all(servers.map((each) => each.stop()));
  await rm(folder, { recursive: true, force: true });
});

/** A life of a server: everything that a store can hold. */
async function work(standalone: TestServer): Promise<void> {
  const face: Face = standalone;
  await anOrder(standalone, 'listed', { requiresAllowList: true, quota: 2_000 });
  const list = `deviceId\n${devices.map(({ deviceId }) => deviceId).join('\n')}\n`;
  await call(face, 'PUT', '/v1/orders/listed/devices', {
    headers: { 'content-type': 'text/csv' },
    body: list,
  });
  await anOrder(standalone, 'open', { quota: 3_000 });
  await anOrder(standalone, 'closed');
  await call(face, 'POST', '/v1/orders/closed/close');
  const bad = [
    { deviceId: 'listed-0', csr: aForgedCsr('listed-0') },
    { deviceId: 'unlisted', csr: aCsr('unlisted') },
    { deviceId: 'listed-1', csr: aCsr('listed-1') },
  ];
  const first = await anUpload(face, 'listed', 'first', [...devices, ...bad]);
  const second = await anUpload(face, 'open', 'second', others);
  await whenDone(face, first.batchId);
  await whenDone(face, second.batchId);

  // Revoked devices have new certificates.
  const { store } = standalone.server.issuance;
  for (const { deviceId } of revoked) {
    const [found] = await store.findByDevice('default', deviceId, 1);
    expect(found).toBeDefined();
    if (found === undefined) continue;
    const { tenant, batchId, index } = found;
    const certificate = new X509Certificate(
      resultsOf(found.segment).find((result) => result.index === index)?.certificateDer ?? '',
    );
    await store.changeStatuses([
      {
        tenant,
        batchId,
        index,
        scope: { issuer: 'factory', shard: 0 },
        serialNumber: Buffer.from(certificate.serialNumber, 'hex'),
        notAfterMs: Date.parse(certificate.validTo),
        change: { kind: 'revoke', reason: 'keyCompromise', revokedAtMs: Date.now() },
      },
    ]);
  }
  await whenDone(face, (await anUpload(face, 'open', 'renewed', renewed)).batchId);

  await cutOff(face, 'open', 'cancelled', cancelled).catch(() => undefined);
  const [stopped] = await batchesOf(face, 'open');
  await call(face, 'DELETE', `/v1/batches/${stopped?.batchId ?? ''}`);
  await whenDone(face, stopped?.batchId ?? '');
  await cutOff(face, 'open', 'resumed', resumed).catch(() => undefined);

  poisoned.add(batchIdOf(await store.storeEpoch(), 'default', 'open', 'dead'));
  await whenDone(face, (await anUpload(face, 'open', 'dead', dead)).batchId);
  poisoned.clear();
  const one = await call(face, 'POST', '/v1/orders/open/certificates', {
    headers: { 'content-type': 'application/pkcs10', 'idempotency-key': 'one' },
    body: new Uint8Array(aCsr('one')),
  });
  expect(one.status).toBe(201);
  await anOrder(standalone, 'moved', { quota: 1_000 });
  await beginMassReissue(face);
  // What the broken uploads had accepted has ended.
  const deadline = performance.now() + 180_000;
  while ((await store.readOut().survey()).counts.chunksInFlight > 0) {
    if (performance.now() > deadline) throw new Error('chunks stay in flight');
    await pause(50);
  }
}

/** Of 600 devices; paused when the first chunk of them is uploaded. */
async function beginMassReissue(face: Face): Promise<void> {
  const { batchId } = await anUpload(face, 'moved', 'moved', csrsOf(600, 'moved'));
  await whenDone(face, batchId);
  const json = {
    operationId: 'move',
    kind: 'reissue',
    selection: { orderId: 'moved' },
    issuer: 'factory',
    profile: 'tls-client',
    ratePerSecond: 100,
  };
  const begun = await callJson(face, 'POST', '/v1/operations', json);
  expect(begun.status).toBe(202);
  while ((await theMove(face)).counts.submitted === 0) await pause(20);
  expect((await callJson(face, 'POST', '/v1/operations/move/pause')).status).toBe(200);
  expect(await theMove(face)).toMatchObject({ state: 'paused', counts: { submitted: 256 } });
}

interface Operation {
  readonly state: string;
  readonly counts: Readonly<Record<'submitted' | 'issued', number>>;
}

async function theMove(face: Face): Promise<Operation> {
  return (await (await call(face, 'GET', '/v1/operations/move')).json()) as Operation;
}

function callJson(face: Face, method: string, path: string, json?: unknown): Promise<Response> {
  if (json === undefined) return call(face, method, path);
  const headers = { 'content-type': 'application/json' };
  return call(face, method, path, { headers, body: JSON.stringify(json) });
}

interface Ended {
  readonly code: number | null;
  readonly report: MigrationReport & { readonly error?: { readonly code: string } };
}

/** @param kill Resolves when it is to be killed (SIGKILL); told when it has ended by itself. */
async function migrate(
  args: readonly string[] = [],
  kill?: (ended: AbortSignal) => Promise<unknown>,
): Promise<Ended> {
  const child = spawn(
    certmill,
    ['migrate', '--data', data, '--config', fleet.configFile, '--json', ...args],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
      timeout: hungAfterMs,
      killSignal: 'SIGKILL',
    },
  );
  let text = '';
  child.stdout.on('data', (part: Buffer) => (text += part.toString()));
  const closed = once(child, 'close') as Promise<[number | null]>;
  const ended = new AbortController();
  void closed.then(() => ended.abort());
  if (kill !== undefined) {
    await kill(ended.signal);
    if (child.exitCode === null) process.kill(-(child.pid ?? 0), 'SIGKILL');
  }
  const [code] = await closed;
  return { code, report: (text === '' ? {} : JSON.parse(text)) as Ended['report'] };
}

const openedCode = async (): Promise<string> => {
  try {
    await using opened = await openFleetForReading(readFleetConfig(fleet.configFile));
    return `opened with ${String(opened.issuers.length)} issuer`;
  } catch (error) {
    return (error as CertmillError).code;
  }
};

describe('a data folder that is carried into a fleet', () => {
  test('is checked first, and nothing is written', async () => {
    const { code, report } = await migrate(['--dry-run']);
    expect(report).toMatchObject({ outcome: 'checked', findings: [] });
    expect(report.counts).toMatchObject({
      orders: 5,
      allowLists: 1,
      batches: 9,
      deadLetters: 1,
      statuses: 3,
      massOperations: 1,
      unfinishedUploads: 2,
      chunksInFlight: 0,
    });
    expect(report.counts.issued).toBeGreaterThan(2_700);
    expect(code).toBe(0);
    expect(await openedCode()).toBe('opened with 1 issuer');
  });

  test('is killed at random, and meanwhile no service starts', async () => {
    let inTheMiddle = 0;
    for (let tries = 0; tries < kills; tries += 1) {
      const { code } = await migrate([], async (ended) => {
        while (!ended.aborted && (await openedCode()) !== 'CONFLICT') await pause(100);
        // Later each time, so that it is killed in each part of its work.
        await pause(Math.random() * 500 * tries);
      });
      if (code === 0) break;
      expect(await openedCode()).toBe('CONFLICT');
      inTheMiddle += 1;
    }
    expect(inTheMiddle).toBeGreaterThanOrEqual(2);
  });

  test('is whole at the end, and nothing works in it any more', async () => {
    const { code, report } = await migrate();
    expect(report.findings).toEqual([]);
    expect(['migrated', 'migrated-before']).toContain(report.outcome);
    expect(code).toBe(0);
    expect(() => takeDataFolder(data)).toThrow('was carried into a fleet');
    const again = await migrate();
    expect(again.report.outcome).toBe('migrated-before');
    await using opened = await openFleetForReading(readFleetConfig(fleet.configFile));
    const verified = await verifyFleet(opened, () => undefined);
    expect(verified).toMatchObject({ findings: [], certificates: report.counts.issued });
  });

  test('answers in the fleet as it did', async () => {
    for (const service of fleet.services) service.start();
    await fleet.whenReady();
    const now = await everythingOf(inFleet());
    expect(now.size).toBeGreaterThan(400);
    expect([...now.keys()]).toEqual([...answers.keys()]);
    for (const [path, wanted] of answers) expect([path, now.get(path)]).toEqual([path, wanted]);
  });

  test('knows the uploads that were whole, and issues nothing of them again', async () => {
    const before = (await batchesOf(inFleet(), 'open')).length;
    const again = await anUpload(inFleet(), 'open', 'second', others);
    expect(again).toMatchObject({
      state: 'complete',
      counters: { issued: 1_200, accepted: 1_200 },
    });
    expect(await batchesOf(inFleet(), 'open')).toHaveLength(before);
    const other = await call(inFleet(), 'POST', '/v1/orders/open/batches', {
      headers: { ...ndjson, 'idempotency-key': 'second' },
      body: ndjsonOf(csrsOf(1_200, 'other')),
    });
    expect(other.status).toBe(409);
  });

  test('issues nothing to devices that have a certificate, and binds their keys', async () => {
    const sample = [...devices.slice(0, 40), ...devices.slice(-40)];
    const { batchId } = await anUpload(inFleet(), 'listed', 'again', sample);
    await whenDone(inFleet(), batchId);
    expect(await rejectionsOf(inFleet(), batchId)).toEqual(
      new Map([['DEVICE_ALREADY_ISSUED', 80]]),
    );
    const renewedAgain = renewed.map(({ deviceId }) => ({ deviceId, csr: aCsr(deviceId) }));
    const taken = await anUpload(inFleet(), 'open', 'renewed again', [
      ...renewedAgain,
      ...knownKeys.map((key, i) => {
        const deviceId = `thief-${String(i)}`;
        return { deviceId, csr: aCsr(deviceId, key) };
      }),
      { deviceId: 'new', csr: aCsr('new', aKey()) },
    ]);
    const ended = await whenDone(inFleet(), taken.batchId);
    expect(await rejectionsOf(inFleet(), taken.batchId)).toEqual(
      new Map([
        ['DEVICE_ALREADY_ISSUED', 3],
        // One of the two was revoked as compromised in the folder.
        ['KEY_COMPROMISED', 1],
        ['KEY_IN_USE', 1],
      ]),
    );
    expect(ended.counters['issued']).toBe(1);
  });

  test('goes on with what was open: an upload, a dead letter, a cancelled device', async () => {
    const open = (await batchesOf(inFleet(), 'open')).find(({ state }) => state === 'uploading');
    const from = open?.nextIndex ?? 0;
    expect(from).toBeGreaterThanOrEqual(512);
    const rest = resumed.slice(from);
    await anUpload(inFleet(), 'open', 'resumed', rest, `?firstIndex=${String(from)}`);
    const whole = await whenDone(inFleet(), open?.batchId ?? '');
    expect(whole).toMatchObject({ state: 'complete', counters: { issued: 700 } });

    const letters = (await batchesOf(inFleet(), 'open')).find(
      ({ counters }) => counters['deadLettered'] === 20,
    );
    const path = `/v1/batches/${letters?.batchId ?? ''}`;
    expect((await call(inFleet(), 'POST', `${path}/dead-letters/0/retry`)).status).toBe(200);
    expect(await whenDone(inFleet(), letters?.batchId ?? '')).toMatchObject({
      counters: { issued: 20, deadLettered: 0 },
    });

    // Each of them has exactly one: of the batch that was cancelled, or of this one.
    const [stopped] = (await batchesOf(inFleet(), 'open')).filter(
      ({ state }) => state === 'cancelled',
    );
    const had = stopped?.counters['issued'] ?? 0;
    const sent = await anUpload(inFleet(), 'open', 'once more', cancelled);
    const ended = await whenDone(inFleet(), sent.batchId);
    expect(ended.counters['issued']).toBe(600 - had);
  });

  test('goes on with a mass operation where it was, and issues nothing twice', async () => {
    expect((await callJson(inFleet(), 'POST', '/v1/operations/move/resume')).status).toBe(200);
    let operation = await theMove(inFleet());
    const deadline = performance.now() + 180_000;
    while (operation.state === 'running' && performance.now() < deadline) {
      await pause(200);
      operation = await theMove(inFleet());
    }
    expect(operation).toMatchObject({ state: 'done', counts: { submitted: 600, issued: 600 } });
    const [batch, ...others] = await batchesOf(inFleet(), 'move');
    expect(others).toEqual([]);
    expect(batch).toMatchObject({ state: 'complete', counters: { issued: 600 } });
    const path = `/v1/batches/${batch?.batchId ?? ''}/certificates`;
    const lines = await (await call(inFleet(), 'GET', path)).text();
    const devicesOf = [...lines.matchAll(/"deviceId":"([^"]+)"/gu)].map(([, id]) => id);
    expect(new Set(devicesOf).size).toBe(600);
    expect(devicesOf).toHaveLength(600);
  });

  test('is sound in the end', async () => {
    await fleet.stop();
    await using opened = await openFleetForReading(readFleetConfig(fleet.configFile));
    expect((await verifyFleet(opened, () => undefined)).findings).toEqual([]);
  });
});

function inFleet(): Face {
  // A credential of the folder, not the fleet's own first one.
  return { url: fleet.url, key: server.key };
}
