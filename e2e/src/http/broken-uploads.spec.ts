import '../one-realm.js';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { CertmillError } from '@certmill/domain';
import { topics } from '@certmill/events';
import { serve, serveSchema } from '@certmill/standalone';
import {
  backUpDataFolder,
  openStoreForReading,
  restoreDataFolder,
  verifyFolder,
} from '@certmill/standalone/folder';
import { patchedStore } from '../crash/patched-store.js';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { anOrder, aServer, ndjson, type TestServer } from './test-server.js';

interface BatchBody {
  readonly batchId: string;
  readonly state: string;
  readonly brokenOffAt?: string;
  readonly completedAt?: string;
  readonly nextIndex: number;
  readonly counters: Readonly<Record<string, number>>;
}

let server: TestServer;
let parent = '';
/** How many appends of ingest have to fail. */
let failing = 0;
/** How many have not. */
let appended = 0;
/** What ingest waits for before its next append, and both ingest and validate right after it. */
let held: { readonly step: 'append' | 'confirm'; readonly until: Promise<unknown> } | undefined;

const holdAt = async (step: NonNullable<typeof held>['step']): Promise<void> => {
  if (held?.step === step) await held.until;
};

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'certmill-broken-'));
  server = await aServer(
    {},
    {
      aroundLog: (log) => ({
        lag: (topic, group) => log.lag(topic, group),
        subscribe: (options) => log.subscribe(options),
        readDeadLetter: (topic, group, place) => log.readDeadLetter(topic, group, place),
        async append(topic, record) {
          if (topic === topics.requestsReceived.bulk && failing > 0) {
            failing -= 1;
            // The chunks behind it are registered and appended by then.
            for (const before = appended; appended < before + 2;) await pause(5);
            throw new CertmillError('FAULT_DISK_FULL', 'no room for this one');
          }
          if (topic === topics.requestsReceived.bulk) await holdAt('append');
          await log.append(topic, record);
          if (topic === topics.requestsReceived.bulk) appended += 1;
        },
      }),
      aroundStore: (store) =>
        patchedStore(store, {
          async confirmChunk(chunk) {
            await holdAt('confirm');
            await store.confirmChunk(chunk);
          },
          async decide(decision) {
            await holdAt('confirm');
            return store.decide(decision);
          },
        }),
    },
  );
  await anOrder(server, 'o1');
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(parent, { recursive: true, force: true });
});

/** An upload of three chunks whose first one never became durable; the others were issued. */
async function aBatchWithAHole(name: string): Promise<BatchBody> {
  failing = 1;
  const response = await server.call('POST', '/v1/orders/o1/batches', {
    headers: { ...ndjson, 'idempotency-key': name },
    body: ndjsonOf(csrsOf(700, name)),
  });
  expect(response.status).toBe(507);
  const { batchId } = (await response.json()) as BatchBody;
  for (;;) {
    const shown = await server.call('GET', `/v1/batches/${batchId}`);
    const batch = (await shown.json()) as BatchBody;
    if (batch.counters['issued'] === 700 - 256) return batch;
    await pause(10);
  }
}

async function linesOf(response: Promise<Response>): Promise<readonly string[]> {
  return (await (await response).text()).split('\n').filter((line) => line !== '');
}

describe('an upload of which a chunk was registered and never became durable', () => {
  it('ends when it is cancelled, and what was issued is shown', async () => {
    const { batchId, nextIndex } = await aBatchWithAHole('cancelled');
    expect(nextIndex).toBe(0);
    const path = `/v1/batches/${batchId}`;
    const cancelled = (await (await server.call('DELETE', path)).json()) as BatchBody;
    expect(cancelled).toMatchObject({
      state: 'cancelled',
      counters: { accepted: 444, issued: 444, cancelled: 0, inFlight: 0 },
    });
    expect(cancelled.completedAt).toBeDefined();
    for (const query of ['format=ndjson&follow=true', 'format=ndjson']) {
      const lines = await linesOf(server.call('GET', `${path}/certificates?${query}`));
      expect(lines).toHaveLength(444);
      expect(JSON.parse(lines[0] ?? '')).toMatchObject({ index: 256, chunk: 1 });
    }
    const manifest = await linesOf(server.call('GET', `${path}/manifest`));
    expect(manifest).toHaveLength(445);
  });

  it('is resumed where the hole is, as before', async () => {
    const { batchId } = await aBatchWithAHole('resumed');
    // Not cancelled: the hole may still be filled, so nothing behind it is shown.
    const early = await linesOf(server.call('GET', `/v1/batches/${batchId}/certificates`));
    expect(early).toEqual([]);
    await server.call('DELETE', `/v1/batches/${batchId}`);
  });

  it('is broken off by a restore: its key opens another batch, so nothing can resume it', async () => {
    const { batchId } = await aBatchWithAHole('restored');
    const whole = await server.call('POST', '/v1/orders/o1/batches', {
      headers: { ...ndjson, 'idempotency-key': 'whole' },
      body: ndjsonOf(csrsOf(3, 'whole')),
    });
    const { batchId: wholeId } = (await whole.json()) as BatchBody;
    await (await server.call('GET', `/v1/batches/${wholeId}/manifest?follow=true`)).text();
    await backUpDataFolder(server.data, server.server.issuance, join(parent, 'saved'));
    const data = join(parent, 'restored');
    await restoreDataFolder(join(parent, 'saved'), data);
    const config = serveSchema.parse({
      data,
      passphraseFile: join(server.data, 'test-passphrase'),
      workers: { validate: 1, sign: 1 },
      logLevel: 'silent',
      stopTimeoutMs: 3_000,
      http: { port: 0 },
    });
    // Twice: what was broken off stays so, and nothing else is.
    for (let start = 0; start < 2; start++) {
      const restored = await serve(config);
      const get = (path: string): Promise<Response> =>
        fetch(`${restored.url}/v1/batches/${path}`, {
          headers: { authorization: `Bearer ${server.key}` },
        });
      try {
        const batch = (await (await get(batchId)).json()) as BatchBody;
        expect(batch).toMatchObject({
          state: 'broken-off',
          counters: { accepted: 444, issued: 444, inFlight: 0 },
        });
        expect(batch.brokenOffAt).toBeDefined();
        expect(batch.completedAt).toBe(batch.brokenOffAt);
        const events = await (await get(`${batchId}/events`)).text();
        expect(events).toMatch(/^event: complete\n/);
        const shown = await linesOf(get(`${batchId}/certificates?follow=true`));
        expect(shown.filter((line) => line.includes('BEGIN CERT'))).toHaveLength(444);
        expect(await (await get(wholeId)).json()).toMatchObject({ state: 'complete' });
      } finally {
        await restored.stop();
      }
    }
    await using opened = await openStoreForReading(data);
    const { store } = opened;
    const late = { tenant: 'default', batchId, chunkNumber: 3, firstIndex: 700, count: 1 };
    const pins = { receivedAtMs: 1, signBeforeMs: 2, serialKeyId: 1, digest: new Uint8Array(32) };
    await expect(store.registerChunk({ ...late, ...pins })).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    await expect(store.completeUpload('default', batchId, 700, 1)).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    expect((await verifyFolder(opened, () => undefined)).findings).toEqual([]);
  });
});

describe('an upload whose batch is cancelled between a registration and', () => {
  it.each(['append', 'confirm'] as const)('its %s', async (step) => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const lines = ndjsonOf(csrsOf(300, `late-${step}`));
    const send = (name: string): Promise<Response> =>
      server.call('POST', '/v1/orders/o1/batches', {
        headers: { ...ndjson, 'idempotency-key': name },
        body: lines,
      });
    const list = `/v1/orders/o1/batches?idempotencyKey=late-${step}`;
    held = { step, until: promise };
    const sent = send(`late-${step}`);
    let batch: BatchBody | undefined;
    while (batch === undefined) {
      const page = (await (await server.call('GET', list)).json()) as { items: BatchBody[] };
      batch = page.items[0];
    }
    const { batchId } = batch;
    const { services } = server.server.issuance;
    const chunk = { tenant: 'default', batchId, chunkNumber: 1 };
    while ((await services.batches.getRegistration(chunk)) === undefined) await pause(5);
    // Those that wait have come to where they wait.
    await pause(200);

    const path = `/v1/batches/${batchId}`;
    const cancelled = (await (await server.call('DELETE', path)).json()) as BatchBody;
    expect(cancelled).toMatchObject({ state: 'cancelled', counters: { inFlight: 0 } });
    expect(cancelled.completedAt).toBeDefined();
    const manifest = await (await server.call('GET', `${path}/manifest`)).text();
    held = undefined;
    resolve(undefined);

    expect((await sent).status).toBe(409);
    const again = await send(`late-${step} again`);
    const { batchId: other } = (await again.json()) as BatchBody;
    await (await server.call('GET', `/v1/batches/${other}/manifest?follow=true`)).text();
    const issued = (await (await server.call('GET', `/v1/batches/${other}`)).json()) as BatchBody;
    expect(issued.counters).toMatchObject({ issued: 300, rejected: 0 });

    const after = (await (await server.call('GET', path)).json()) as BatchBody;
    expect(after.counters).toEqual(cancelled.counters);
    expect(after.completedAt).toBe(cancelled.completedAt);
    expect(await (await server.call('GET', `${path}/manifest`)).text()).toBe(manifest);
    expect(await linesOf(server.call('GET', `${path}/rejections?follow=true`))).toEqual([]);
    expect(await linesOf(server.call('GET', `${path}/dead-letters`))).toEqual(['{"items":[]}']);
  });
});
