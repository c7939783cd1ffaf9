import '../one-realm.js';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { EmbeddedStore } from '@certmill/adapter-embedded';
import { CertmillError } from '@certmill/domain';
import { topics } from '@certmill/events';
import type { EventLog } from '@certmill/ports';
import { type Server } from '@certmill/standalone';
import { openStoreForReading, verifyFolder } from '@certmill/standalone/folder';
import { runCertmill, type Ended } from '../cli/testing/run-certmill.js';
import { patchedStore } from '../crash/patched-store.js';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { accountOf } from './mass-results.js';
import { aServerIn } from './test-server.js';

interface BatchBody {
  readonly batchId: string;
  readonly state: string;
  readonly completedAt?: string;
  readonly counters: Readonly<Record<string, number>>;
}

interface Letter {
  readonly chunk: number;
  readonly requests: number;
  readonly state: string;
  readonly code: string;
  readonly detail: string;
  readonly stage: string;
  readonly at: string;
}

type Step = 'retryDeadLetter' | 'append' | 'decide' | 'publish';

let data = '';
let server: Server;
let key = '';
/** The stage that finds every chunk to be poison, or one of a batch. */
let poisoned: 'validate' | 'publish' | undefined;
let poisonedChunk: number | undefined;
/** While it is there, validate waits for it. */
let held: Promise<undefined> | undefined;
/** The next call of a step fails, before its effect or after it, as if the process died there. */
let fault: { readonly step: Step; readonly when: 'before' | 'after' } | undefined;

function poison(stage: typeof poisoned, chunkNumber: number): Promise<void> {
  return poisoned === stage && (poisonedChunk ?? chunkNumber) === chunkNumber
    ? Promise.reject(new CertmillError('FAULT_PROCESSING', `poison in ${String(stage)}`))
    : Promise.resolve();
}

async function faulty<T>(step: Step, effect: () => Promise<T>): Promise<T> {
  const armed = fault?.step === step ? fault : undefined;
  if (armed === undefined) return effect();
  fault = undefined;
  if (armed.when === 'after') await effect();
  throw new CertmillError('FAULT_STORE_DOWN', 'died here');
}

function aroundStore(store: EmbeddedStore): EmbeddedStore {
  return patchedStore(store, {
    async getVerdict(chunk) {
      await held;
      await poison('validate', chunk.chunkNumber);
      return store.getVerdict(chunk);
    },
    async publish(terminal) {
      await poison('publish', terminal.chunk.chunkNumber);
      return faulty('publish', () => store.publish(terminal));
    },
    decide: (decision) => faulty('decide', () => store.decide(decision)),
    retryDeadLetter: (chunk, atMs) =>
      faulty('retryDeadLetter', () => store.retryDeadLetter(chunk, atMs)),
  });
}

function aroundLog(log: EventLog): EventLog {
  return {
    lag: (topic, group) => log.lag(topic, group),
    subscribe: (options) => log.subscribe(options),
    readDeadLetter: (topic, group, place) => log.readDeadLetter(topic, group, place),
    append: (topic, record) =>
      topic === topics.requestsReceived.bulk
        ? faulty('append', () => log.append(topic, record))
        : log.append(topic, record),
  };
}

async function start(): Promise<void> {
  const started = await aServerIn(data, {}, {}, { aroundStore, aroundLog });
  server = started.server;
  key = started.key === '' ? key : started.key;
}

async function call(method: string, path: string, json?: unknown, as = key): Promise<Response> {
  return fetch(server.url + path, {
    method,
    headers: {
      authorization: `Bearer ${as}`,
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
}

const get = (path: string): Promise<Response> => call('GET', path);

async function upload(name: string, lines: string, orderId = 'o1'): Promise<string> {
  const response = await fetch(`${server.url}/v1/orders/${orderId}/batches`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/x-ndjson',
      'idempotency-key': name,
    },
    body: lines,
  });
  return ((await response.json()) as BatchBody).batchId;
}

async function batchOf(batchId: string): Promise<BatchBody> {
  return (await (await call('GET', `/v1/batches/${batchId}`)).json()) as BatchBody;
}

async function lettersOf(batchId: string): Promise<readonly Letter[]> {
  const response = await call('GET', `/v1/batches/${batchId}/dead-letters`);
  return ((await response.json()) as { items: Letter[] }).items;
}

async function settle(
  batchId: string,
  action: 'retry' | 'drop',
  chunk: number | string = 0,
): Promise<[number, string]> {
  const path = `/v1/batches/${batchId}/dead-letters/${String(chunk)}/${action}`;
  const response = await call('POST', path);
  const body = (await response.json()) as { outcome?: string; code?: string };
  return [response.status, body.outcome ?? body.code ?? ''];
}

/** Waits until nothing of the batch is in flight. */
async function settled(batchId: string): Promise<BatchBody> {
  for (;;) {
    const batch = await batchOf(batchId);
    if (batch.state !== 'uploading' && batch.counters['inFlight'] === 0) return batch;
    await pause(10);
  }
}

async function reserved(): Promise<number> {
  const order = (await (await call('GET', '/v1/orders/o1')).json()) as { reserved: number };
  return order.reserved;
}

async function codesOf(batchId: string): Promise<readonly string[]> {
  const text = await (await call('GET', `/v1/batches/${batchId}/rejections`)).text();
  return text
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { code: string }).code);
}

let fleets = 0;
/** Three requests and a bad line, whose chunk became a dead letter in the stage. */
async function aDeadBatch(stage: NonNullable<typeof poisoned>, orderId = 'o1') {
  const name = `fleet-${String(fleets++)}`;
  const lines = `${ndjsonOf(csrsOf(3, name))}{not json\n`;
  poisoned = stage;
  const batchId = await upload(name, lines, orderId);
  const batch = await settled(batchId);
  poisoned = undefined;
  expect(batch.counters).toMatchObject({ accepted: 4, deadLettered: 4, issued: 0 });
  return { name, lines, batchId };
}

function openOrder(orderId: string): Promise<Response> {
  return call('POST', '/v1/orders', {
    orderId,
    profile: 'tls-client',
    quota: 10_000,
    requiresAllowList: false,
    expiresAt: new Date(Date.now() + 86_400_000).toISOString(),
  });
}

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'certmill-dead-'));
  await start();
  await openOrder('o1');
});

afterEach(() => {
  poisoned = undefined;
  poisonedChunk = undefined;
  fault = undefined;
});

afterAll(async () => {
  await server.stop();
  const opened = await openStoreForReading(data);
  const { findings } = await verifyFolder(opened, () => undefined);
  await opened[Symbol.asyncDispose]();
  await rm(data, { recursive: true, force: true });
  // Whatever was retried, dropped and interrupted: each request is accounted for.
  expect(findings).toEqual([]);
});

async function reach(...args: readonly string[]): Promise<Ended> {
  await writeFile(join(data, 'operator.key'), key);
  return runCertmill([...args, '--server', server.url, '--key-file', join(data, 'operator.key')]);
}

describe('a mass operation', () => {
  interface Told {
    readonly state: string;
    readonly counts: Readonly<Record<string, number>>;
  }

  async function told(isSo: (operation: Told) => boolean, name = 'all'): Promise<Told> {
    for (;;) {
      const operation = (await (await call('GET', `/v1/operations/${name}`)).json()) as Told;
      if (isSo(operation)) return operation;
      await pause(20);
    }
  }

  it('that revokes is done when dead letters of its selection have ended, and what came of them is revoked', async () => {
    await openOrder('o2');
    const retried = await aDeadBatch('publish', 'o2');
    const dropped = await aDeadBatch('publish', 'o2');
    await settled(await upload('good', ndjsonOf(csrsOf(5, 'good')), 'o2'));
    const json = { operationId: 'all', kind: 'revoke', selection: { orderId: 'o2' } };
    expect((await call('POST', '/v1/operations', json)).status).toBe(202);
    const waiting = await told(({ counts }) => counts['lookedAt'] === 13);
    expect(waiting).toMatchObject({ state: 'running', counts: { changed: 5, pending: 8 } });
    await settle(retried.batchId, 'retry');
    const still = await told(({ counts }) => counts['changed'] === 8);
    expect(still).toMatchObject({ state: 'running', counts: { pending: 4 } });
    await settle(dropped.batchId, 'drop');
    const done = await told(({ state }) => state === 'done');
    const counts = { lookedAt: 13, selected: 8, changed: 8, unchanged: 0, pending: 0 };
    expect(done).toMatchObject({ counts });
    const found = await call('GET', `/v1/certificates?deviceId=${retried.name}-1`);
    expect(await found.json()).toMatchObject({ items: [{ status: 'revoked' }] });
    expect(await accountOf(get, 'all')).toEqual({ changed: 8 });
  });

  it.each(['reissue', 'renew'] as const)(
    'that is a %s is done when each is issued or refused, dead letters too',
    async (kind) => {
      const name = `o-${kind}`;
      await openOrder(name);
      const retried = await aDeadBatch('publish', name);
      const dropped = await aDeadBatch('publish', name);
      await settled(await upload(`good-${kind}`, ndjsonOf(csrsOf(5, `good-${kind}`)), name));
      const { issuer } = (await (await call('GET', `/v1/orders/${name}`)).json()) as {
        readonly issuer: string;
      };
      const to = { kind, issuer, profile: 'tls-client', selection: { orderId: name } };
      expect((await call('POST', '/v1/operations', { ...to, operationId: kind })).status).toBe(202);
      const devices = async (): Promise<unknown> =>
        ((await (await call('GET', `/v1/orders/${kind}`)).json()) as { devices: number }).devices;
      const first = kind === 'reissue' ? 'issued' : 'submitted';
      const waiting = await told(
        ({ counts }) => counts['lookedAt'] === 13 && counts[first] === 5,
        kind,
      );
      expect(waiting).toMatchObject({ state: 'running', counts: { submitted: 5, pending: 8 } });
      expect(await accountOf(get, kind)).toEqual({ [first]: 5, pending: 8 });
      await settle(retried.batchId, 'retry');
      const still = await told(({ counts }) => counts[first] === 8, kind);
      expect(still).toMatchObject({ state: 'running', counts: { submitted: 8, pending: 4 } });
      while (kind === 'renew' && (await devices()) !== 8) await pause(20);
      await settle(dropped.batchId, 'drop');
      const done = await told(({ state }) => state === 'done', kind);
      expect(done).toMatchObject({ counts: { lookedAt: 13, selected: 8, pending: 0 } });
      expect(await accountOf(get, kind)).toEqual({ [first]: 8 });
    },
  );

  it('that reissues is not done while what it uploaded is a dead letter', async () => {
    await openOrder('o-own');
    await settled(await upload('own', ndjsonOf(csrsOf(3, 'own')), 'o-own'));
    const { issuer } = (await (await call('GET', '/v1/orders/o-own')).json()) as {
      readonly issuer: string;
    };
    poisoned = 'publish';
    const selection = { orderId: 'o-own' };
    const json = { operationId: 'own', kind: 'reissue', issuer, profile: 'tls-client', selection };
    expect((await call('POST', '/v1/operations', json)).status).toBe(202);
    const waiting = await told(({ counts }) => counts['deadLettered'] === 3, 'own');
    expect(waiting).toMatchObject({ state: 'running' });
    expect(await accountOf(get, 'own')).toEqual({ submitted: 3 });
    poisoned = undefined;
    const [batch] = (
      (await (await call('GET', '/v1/orders/own/batches')).json()) as {
        readonly items: readonly { readonly batchId: string }[];
      }
    ).items;
    await settle(batch?.batchId ?? '', 'retry');
    expect(await told(({ state }) => state === 'done', 'own')).toMatchObject({
      counts: { submitted: 3, issued: 3, deadLettered: 0 },
    });
    expect(await accountOf(get, 'own')).toEqual({ issued: 3 });
  });
});

describe('certmill dead-letters', () => {
  const deadLetters = (...args: readonly string[]): Promise<Ended> =>
    reach('dead-letters', ...args);
  const certmill = async (...args: readonly string[]): Promise<string> => {
    const ended = await deadLetters(...args);
    expect([ended.exitCode, ended.stderr]).toEqual([0, '']);
    return ended.stdout;
  };

  it('lists, retries and drops', async () => {
    const { batchId } = await aDeadBatch('publish');
    expect(await certmill('list', batchId)).toMatch(
      /^chunk +requests +state.*\n +0 +4 +dead +publish +FAULT_PROCESSING .* poison in publish$/m,
    );
    const listed = JSON.parse(await certmill('list', batchId, '--json')) as {
      deadLetters: Letter[];
    };
    expect(listed.deadLetters).toMatchObject([{ chunk: 0, state: 'dead' }]);
    expect(await certmill('retry', batchId, '--all')).toBe('chunk 0: retried\n');
    expect((await settled(batchId)).counters).toMatchObject({ issued: 3 });
    expect(await certmill('list', batchId)).toBe('no dead letters\n');
    const other = await aDeadBatch('validate');
    const dropped = await certmill('drop', other.batchId, '0', '--json');
    expect(JSON.parse(dropped)).toEqual({ settled: [{ chunk: 0, outcome: 'dropped' }] });
  });

  it('asks for chunks or --all', async () => {
    const ended = await deadLetters('drop', 'b');
    expect(ended.exitCode).toBe(1);
    expect(ended.stderr).toMatch(/^error INVALID_INPUT: name chunks, or say --all/);
  });
});

/** A batch of three chunks, of which one is a dead letter and the others are issued. */
async function aBatchWithADeadChunk(chunk: number) {
  const name = `gap-${String(fleets++)}`;
  const lines = ndjsonOf(csrsOf(600, name));
  poisoned = 'publish';
  poisonedChunk = chunk;
  const batchId = await upload(name, lines);
  const { state, counters } = await settled(batchId);
  poisoned = undefined;
  expect(state).toBe('complete');
  expect(counters).toMatchObject({ accepted: 600, issued: 600 - 256, deadLettered: 256 });
  return { batchId, lines };
}

async function read(batchId: string, what: string): Promise<string> {
  const response = await call('GET', `/v1/batches/${batchId}/${what}`);
  expect(response.status).toBe(200);
  return response.text();
}

const linesIn = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '');

describe('a complete batch with a dead letter', () => {
  it.each([0, 1])('shows what came of the chunks around number %i, and ends', async (dead) => {
    const { batchId } = await aBatchWithADeadChunk(dead);
    for (const query of ['', '?follow=true']) {
      const lines = linesIn(await read(batchId, `certificates${query}`));
      expect(lines).toHaveLength(344);
      const chunks = lines.map((line) => (JSON.parse(line) as { chunk: number }).chunk);
      expect([...new Set(chunks)]).toEqual([0, 1, 2].filter((chunk) => chunk !== dead));
      expect(linesIn(await read(batchId, `rejections${query}`))).toEqual([]);
    }
    for (const format of ['pem', 'tar', 'zip', 'p7b']) {
      const whole = await read(batchId, `certificates?follow=true&format=${format}`);
      expect(whole.length).toBeGreaterThan(344 * 300);
    }
    expect(await settle(batchId, 'drop', dead)).toEqual([200, 'dropped']);
    expect(linesIn(await read(batchId, 'rejections'))).toHaveLength(256);
  });

  it('has no manifest until the dead letter is settled', async () => {
    const { batchId } = await aBatchWithADeadChunk(0);
    for (const query of ['', '?follow=true']) {
      const refused = await call('GET', `/v1/batches/${batchId}/manifest${query}`);
      expect(refused.status).toBe(409);
      expect(await refused.json()).toMatchObject({
        code: 'CONFLICT',
        detail: `256 requests of the batch are dead letters: retry or drop them first (certmill dead-letters list ${batchId})`,
      });
    }
    expect(await settle(batchId, 'retry')).toEqual([200, 'retried']);
    await settled(batchId);
    expect(linesIn(await read(batchId, 'manifest'))).toHaveLength(601);
    expect(linesIn(await read(batchId, 'certificates'))).toHaveLength(600);
  });

  it('is told by watch and fetch, which end with 1; settled, the same fetch is whole', async () => {
    const { batchId } = await aBatchWithADeadChunk(1);
    const out = join(data, `out-${batchId}/`);
    const watched = await reach('watch', batchId);
    expect(watched.exitCode).toBe(1);
    expect(watched.stdout).toContain('dead-lettered 256\n');
    expect(watched.stdout).toContain(`certmill dead-letters list ${batchId}`);
    for (let run = 0; run < 2; run++) {
      const refused = await reach('fetch', batchId, '--out', out);
      expect([refused.exitCode, refused.stdout]).toEqual([1, '']);
      expect(refused.stderr).toContain(
        `error CONFLICT: 256 requests of the batch are dead letters: retry or drop them first (certmill dead-letters list ${batchId})\n`,
      );
      expect(await readdir(out)).toEqual([]);
    }
    expect(await settle(batchId, 'retry', 1)).toEqual([200, 'retried']);
    const whole = await reach('fetch', batchId, '--out', out);
    expect(whole).toMatchObject({ exitCode: 0 });
    expect(whole.stdout).toContain('600 certificates');
  });

  it('is told by submit --out', async () => {
    const input = join(data, `submitted-${String(fleets)}.ndjson`);
    const out = join(data, `submitted-${String(fleets)}/`);
    await writeFile(input, ndjsonOf(csrsOf(300, `submitted-${String(fleets++)}`)));
    poisoned = 'publish';
    poisonedChunk = 0;
    const submitted = await reach('submit', input, '--order', 'o1', '--out', out);
    expect(submitted.exitCode).toBe(1);
    const [, batchId = ''] = /^batch ([0-9a-f]{26})$/m.exec(submitted.stderr) ?? [];
    expect(submitted.stderr).toContain(
      'error CONFLICT: 256 requests of the batch are dead letters',
    );
    poisoned = undefined;
    expect(await settle(batchId, 'drop')).toEqual([200, 'dropped']);
  });
});

describe('a follower that begins behind the end', () => {
  it.each(['certificates', 'rejections'])('of a complete batch ends at once: %s', async (what) => {
    const batchId = await upload(`end of ${what}`, ndjsonOf(csrsOf(2, `end-${what}`)));
    await settled(batchId);
    for (const first of [1, 2, 70_000]) {
      expect(await read(batchId, `${what}?follow=true&firstChunk=${String(first)}`)).toBe('');
    }
  });
});

describe('a dead letter', () => {
  it.each(['validate', 'publish'] as const)(
    'that failed in %s is listed with its cause, and issued once it is retried',
    async (stage) => {
      const { batchId } = await aDeadBatch(stage);
      const letters = await lettersOf(batchId);
      expect(letters).toMatchObject([
        {
          chunk: 0,
          requests: 4,
          state: 'dead',
          code: 'FAULT_PROCESSING',
          detail: `poison in ${stage}`,
          stage,
        },
      ]);
      expect(Math.abs(Date.now() - Date.parse(letters[0]?.at ?? ''))).toBeLessThan(60_000);
      expect(await settle(batchId, 'retry')).toEqual([200, 'retried']);
      const { state, counters } = await settled(batchId);
      expect(state).toBe('complete');
      expect(counters).toMatchObject({ accepted: 4, issued: 3, rejected: 1, deadLettered: 0 });
      expect(await lettersOf(batchId)).toEqual([]);
      expect(await settle(batchId, 'retry')).toEqual([200, 'ended']);
      expect(await settle(batchId, 'drop')).toEqual([200, 'ended']);
      expect((await batchOf(batchId)).counters).toEqual(counters);
    },
  );

  it('is one again where it fails again, and may be retried by several at once', async () => {
    const { batchId } = await aDeadBatch('publish');
    poisoned = 'publish';
    expect(await settle(batchId, 'retry')).toEqual([200, 'retried']);
    expect((await settled(batchId)).counters).toMatchObject({ deadLettered: 4, issued: 0 });
    poisoned = undefined;
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => settle(batchId, 'retry')));
    for (const [status, outcome] of outcomes) {
      expect(status).toBe(200);
      expect(['retried', 'ended']).toContain(outcome);
    }
    expect((await settled(batchId)).counters).toMatchObject({ issued: 3, rejected: 1 });
  });

  it.each(['validate', 'publish'] as const)(
    'that failed in %s and is dropped ends with coded rejections; devices, keys and quota are free',
    async (stage) => {
      const before = await reserved();
      const { name, lines, batchId } = await aDeadBatch(stage);
      expect(await reserved()).toBe(before + (stage === 'publish' ? 3 : 0));
      expect(await settle(batchId, 'drop')).toEqual([200, 'dropped']);
      expect(await settle(batchId, 'drop')).toEqual([200, 'ended']);
      expect(await settle(batchId, 'retry')).toEqual([200, 'ended']);
      const { state, counters } = await settled(batchId);
      expect(state).toBe('complete');
      expect(counters).toMatchObject({ accepted: 4, issued: 0, rejected: 4, deadLettered: 0 });
      const failed = 'PROCESSING_FAILED';
      expect(await codesOf(batchId)).toEqual([failed, failed, failed, 'INPUT_NOT_A_CSR']);
      expect(await reserved()).toBe(before);
      const again = await settled(await upload(`${name} again`, lines));
      expect(again.counters).toMatchObject({ accepted: 4, issued: 3, rejected: 1 });
    },
  );

  it.each([
    ['retryDeadLetter', 'before', 'retry'],
    ['retryDeadLetter', 'after', 'retry'],
    ['append', 'before', 'retry'],
    ['append', 'after', 'retry'],
    ['decide', 'before', 'drop'],
    ['decide', 'after', 'drop'],
    ['publish', 'before', 'drop'],
    ['publish', 'after', 'drop'],
  ] as const)(
    'is settled by a repeat after the process ended at %s, %s its effect',
    async (step, when, action) => {
      const { batchId } = await aDeadBatch('validate');
      fault = { step, when };
      const [status] = await settle(batchId, action);
      expect(status).toBe(503);
      expect(fault).toBeUndefined();
      await server.stop();
      await start();
      expect((await settle(batchId, action))[0]).toBe(200);
      const { counters } = await settled(batchId);
      expect(counters).toMatchObject(
        action === 'retry'
          ? { accepted: 4, issued: 3, rejected: 1, deadLettered: 0 }
          : { accepted: 4, issued: 0, rejected: 4, deadLettered: 0 },
      );
      expect(await lettersOf(batchId)).toEqual([]);
    },
  );

  it('whose record is lost cannot be retried, but dropped', async () => {
    const { batchId } = await aDeadBatch('publish');
    await server.stop();
    const topic = `${topics.requestsReceived.bulk}.certmill-validate.dlq`;
    await rm(join(data, 'log', topic), { recursive: true });
    await start();
    expect(await settle(batchId, 'retry')).toEqual([409, 'CONFLICT']);
    expect((await batchOf(batchId)).counters).toMatchObject({ deadLettered: 4, inFlight: 0 });
    expect(await settle(batchId, 'drop')).toEqual([200, 'dropped']);
    expect((await batchOf(batchId)).counters).toMatchObject({ rejected: 4, deadLettered: 0 });
  });

  it('is for operators and admins of its tenant; auditors may look', async () => {
    const { batchId } = await aDeadBatch('validate');
    const keyOf = async (tenant: string, role: string): Promise<string> => {
      const response = await call('POST', `/v1/tenants/${tenant}/credentials`, { role });
      return ((await response.json()) as { key: string }).key;
    };
    await call('POST', '/v1/tenants', { tenant: 'other' });
    const path = `/v1/batches/${batchId}/dead-letters`;
    const statusesOf = async (as: string): Promise<number[]> => [
      (await call('GET', path, undefined, as)).status,
      (await call('POST', `${path}/0/retry`, undefined, as)).status,
      (await call('POST', `${path}/0/drop`, undefined, as)).status,
    ];
    expect(await statusesOf(await keyOf('default', 'factory'))).toEqual([403, 403, 403]);
    expect(await statusesOf(await keyOf('default', 'auditor'))).toEqual([200, 403, 403]);
    expect(await statusesOf(await keyOf('other', 'operator'))).toEqual([404, 404, 404]);
    expect(await statusesOf(await keyOf('default', 'operator'))).toEqual([200, 200, 200]);
  });

  it('is no chunk that is in flight, and none that never was', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    held = promise;
    const flying = await upload('flying', ndjsonOf(csrsOf(2, 'flying')));
    expect(await settle(flying, 'retry')).toEqual([409, 'CONFLICT']);
    expect(await settle(flying, 'drop')).toEqual([409, 'CONFLICT']);
    resolve(undefined);
    held = undefined;
    expect((await settled(flying)).counters).toMatchObject({ issued: 2 });

    const { batchId } = await aDeadBatch('validate');
    expect(await settle(batchId, 'retry', 1)).toEqual([404, 'NOT_FOUND']);
    expect(await settle(batchId, 'drop', 1)).toEqual([404, 'NOT_FOUND']);
    expect(await settle(batchId, 'drop', 'x')).toEqual([400, 'INVALID_INPUT']);
    expect(await settle('0'.repeat(26), 'retry')).toEqual([404, 'NOT_FOUND']);
  });
});
