import '../one-realm.js';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CertmillError } from '@certmill/domain';
import { massOperationSchema, type IssuanceStore } from '@certmill/platform';
import { backUpDataFolder, restoreDataFolder } from '@certmill/standalone/folder';
import { patchedStore } from '../crash/patched-store.js';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { accountOf } from './mass-results.js';
import { anOrder, aServer, aServerIn, ndjson, passphrase, type TestServer } from './test-server.js';

type View = ReturnType<typeof massOperationSchema.parse>;

/** Three chunks. */
const population = 600;

let parent = '';
let folders = 0;
let server: TestServer;
/** Nothing is stored of an operation that has looked at more than its first chunk. */
let isStuck = false;

function failingStore<T extends IssuanceStore>(store: T): T {
  return patchedStore(store, {
    async saveOperation(...args: Parameters<IssuanceStore['saveOperation']>) {
      if (isStuck && args[0].counts.lookedAt > 256) {
        throw new CertmillError('FAULT_STORE_DOWN', 'armed by the test');
      }
      return store.saveOperation(...args);
    },
  } as Partial<T>);
}

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'certmill-mass-restored-'));
  const issuers = { first: 'ec-p256', second: 'ec-p256' } as const;
  server = await aServer({}, { aroundStore: failingStore }, { issuers });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(parent, { recursive: true, force: true });
});

async function issued(orderId: string): Promise<void> {
  await anOrder(server, orderId, { issuer: 'first' });
  const answer = await server.call('POST', `/v1/orders/${orderId}/batches`, {
    headers: { ...ndjson, 'idempotency-key': orderId },
    body: ndjsonOf(csrsOf(population, orderId)),
  });
  const { batchId } = (await answer.json()) as { readonly batchId: string };
  await (await server.call('GET', `/v1/batches/${batchId}/certificates?follow=true`)).text();
}

async function shown(at: TestServer, name: string): Promise<View> {
  const answer = await at.call('GET', `/v1/operations/${name}`, { key: server.key });
  return massOperationSchema.parse(await answer.json());
}

async function until(at: TestServer, name: string, isSo: (view: View) => boolean): Promise<View> {
  for (;;) {
    const view = await shown(at, name);
    if (isSo(view)) return view;
    if (view.state === 'failed') throw new Error(JSON.stringify(view.failure));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const of = (at: TestServer) => (path: string) => at.call('GET', path, { key: server.key });
const begin = (json: Readonly<Record<string, unknown>>): Promise<Response> =>
  server.call('POST', '/v1/operations', { json: { ratePerSecond: 400, ...json } });
const control = (at: TestServer, name: string, what: string): Promise<Response> =>
  at.call('POST', `/v1/operations/${name}/${what}`, { key: server.key });

/** A server on what a backup of now gives back. */
async function restored(): Promise<TestServer> {
  const [saved, data] = [0, 1].map(() => join(parent, String((folders += 1))));
  await backUpDataFolder(server.data, server.server.issuance, saved ?? '');
  await restoreDataFolder(saved ?? '', data ?? '');
  await writeFile(join(data ?? '', 'test-passphrase'), passphrase);
  return aServerIn(data ?? '');
}

/** How many certificates each device has, by their number. */
async function heldIn(at: TestServer, prefix: string): Promise<ReadonlyMap<number, number>> {
  const held = new Map<number, number>();
  for (let i = 0; i < population; i += 1) {
    const path = `/v1/certificates?deviceId=${prefix}-${String(i)}`;
    const answer = await at.call('GET', path, { key: server.key });
    const { length } = ((await answer.json()) as { readonly items: readonly unknown[] }).items;
    held.set(length, (held.get(length) ?? 0) + 1);
  }
  return held;
}

const reissueOf = (orderId: string) => ({
  operationId: `${orderId}-new`,
  kind: 'reissue',
  selection: { orderId },
  issuer: 'second',
  profile: 'tls-client',
});

describe('a mass operation in a backup', () => {
  test('that revokes goes on where it was, and revokes none twice', async () => {
    await issued('leaf');
    await begin({ operationId: 'leaf-end', kind: 'revoke', selection: { orderId: 'leaf' } });
    await until(server, 'leaf-end', ({ counts }) => counts.changed > 0);
    await using again = await restored();
    const { counts } = await until(again, 'leaf-end', ({ state }) => state === 'done');
    expect(counts).toMatchObject({ changed: population, unchanged: 0, refused: 0 });
    expect(await accountOf(of(again), 'leaf-end')).toEqual({ changed: population });
    await control(server, 'leaf-end', 'cancel');
  });

  test('that reissues goes on in a new batch, and issues nothing twice', async () => {
    await issued('root');
    await begin(reissueOf('root'));
    await until(server, 'root-new', ({ counts }) => counts.submitted > 0);
    await using again = await restored();
    const { counts } = await until(again, 'root-new', ({ state }) => state === 'done');
    expect(counts).toMatchObject({ submitted: population, issued: population, rejected: 0 });
    expect(await accountOf(of(again), 'root-new')).toEqual({ issued: population });
    expect(await heldIn(again, 'root')).toEqual(new Map([[2, population]]));
    await control(server, 'root-new', 'cancel');
  });

  test('that was in the middle of a step does not do it twice', async () => {
    await issued('stem');
    // The second chunk is uploaded, and the place behind it is not stored.
    isStuck = true;
    await begin({ ...reissueOf('stem'), ratePerSecond: 100_000 });
    await until(server, 'stem-new', ({ failure }) => failure !== undefined);
    await using again = await restored();
    const { counts } = await until(again, 'stem-new', ({ state }) => state === 'done');
    expect(counts).toMatchObject({ submitted: population, issued: population, rejected: 0 });
    expect(await accountOf(of(again), 'stem-new')).toEqual({ issued: population });
    expect(await heldIn(again, 'stem')).toEqual(new Map([[2, population]]));
    isStuck = false;
    await control(server, 'stem-new', 'cancel');
  });
});
