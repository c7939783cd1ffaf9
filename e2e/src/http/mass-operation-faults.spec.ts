import { CertmillError, type ChainedAuditEntry, type MassCounts } from '@certmill/domain';
import { processMassJobs } from '@certmill/pipeline';
import { massOperationSchema, operatorTenant, type IssuanceStore } from '@certmill/platform';
import type { JobHandler, JobQueue } from '@certmill/ports';
import { patchedStore } from '../crash/patched-store.js';
import { aCsr, csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { accountOf, resultsOf } from './mass-results.js';
import { anOrder, aServer, ndjson, type TestServer } from './test-server.js';

/** Two chunks. */
const population = 300;
const csrs = csrsOf(population, 'unit');

/** Calls of an operation that fail once, before or after they have had their effect. */
const revokeCalls = ['getSegment', 'changeStatuses', 'saveOperation', 'appendAudit'] as const;
const reissueCalls = ['listStatuses', 'createOrder', 'openBatch', 'registerChunk'] as const;
const moreReissueCalls = ['confirmChunk', 'completeUpload', 'saveOperation'] as const;
const controlCalls = ['closeOrder', 'appendAudit', 'saveOperation'] as const;
const calls = [...revokeCalls, ...reissueCalls, ...moreReissueCalls, ...controlCalls] as const;
type Call = (typeof calls)[number];

let server: TestServer;
/** Counted down by calls of the name; at 0 one fails. */
let armed: Armed | undefined;
/** Nothing can be changed while it is. */
let isFull = false;
/** Told of each look at an operation. */
let onLook: (operationId: string) => void = () => undefined;
/** Each awaited by one call of the name before it has its effect. */
const holds = {
  registerChunk: [] as (() => Promise<unknown>)[],
  createOrder: [] as (() => Promise<unknown>)[],
  putFrozenPage: [] as (() => Promise<unknown>)[],
  /** The first that validate asks of a chunk. */
  getVerdict: [] as (() => Promise<unknown>)[],
};

interface Armed {
  readonly call: Call;
  readonly when: 'before' | 'after';
  left: number;
  /** What happens until the call is made again. */
  readonly meanwhile?: () => Promise<unknown>;
}

function failingStore<T extends IssuanceStore>(store: T): T {
  const away = (): Error => new CertmillError('FAULT_STORE_DOWN', 'armed by the test');
  const failing = (call: Call) => {
    const own = store[call].bind(store) as (...args: readonly unknown[]) => Promise<unknown>;
    return async (...args: readonly unknown[]) => {
      if (isFull && call === 'changeStatuses') {
        throw new CertmillError('FAULT_DISK_FULL', 'the disk is full');
      }
      if (call === 'registerChunk' || call === 'createOrder') await holds[call].shift()?.();
      const isHit = armed?.call === call && (armed.left -= 1) === 0;
      if (!isHit) return own(...args);
      const { when, meanwhile } = armed ?? {};
      if (when === 'after') await own(...args);
      await meanwhile?.();
      throw away();
    };
  };
  const patch = Object.fromEntries(calls.map((call) => [call, failing(call)]));
  const getOperation: IssuanceStore['getOperation'] = (tenant, operationId) => {
    onLook(operationId);
    return store.getOperation(tenant, operationId);
  };
  const putFrozenPage: IssuanceStore['putFrozenPage'] = async (...page) => {
    await holds.putFrozenPage.shift()?.();
    return store.putFrozenPage(...page);
  };
  const getVerdict: IssuanceStore['getVerdict'] = async (chunk) => {
    await holds.getVerdict.shift()?.();
    return store.getVerdict(chunk);
  };
  const more = { getOperation, putFrozenPage, getVerdict };
  return patchedStore(store, { ...patch, ...more } as Partial<T>);
}

beforeAll(async () => {
  const issuers = { first: 'ec-p256', second: 'ec-p256' } as const;
  server = await aServer({}, { aroundStore: failingStore }, { issuers });
});
afterEach(() => {
  isFull = false;
  armed = undefined;
});
const get = (path: string): Promise<Response> => server.call('GET', path);
afterAll(() => server[Symbol.asyncDispose]());

async function issued(orderId: string, requests = csrs): Promise<string> {
  await anOrder(server, orderId, { issuer: 'first', renews: true });
  const answer = await server.call('POST', `/v1/orders/${orderId}/batches`, {
    headers: { ...ndjson, 'idempotency-key': orderId },
    body: ndjsonOf(requests),
  });
  const { batchId } = (await answer.json()) as { readonly batchId: string };
  const path = `/v1/batches/${batchId}/certificates?follow=true`;
  return (await server.call('GET', path)).text();
}

async function countsOf(
  json: Readonly<Record<string, unknown>> & { readonly operationId: string },
): Promise<MassCounts> {
  const begun = await server.call('POST', '/v1/operations', { json });
  if (!begun.ok) throw new Error(await begun.text());
  for (;;) {
    const answer = await server.call('GET', `/v1/operations/${json.operationId}`);
    const { state, counts, failure } = massOperationSchema.parse(await answer.json());
    if (state === 'done') return counts;
    if (state === 'failed') throw new Error(JSON.stringify(failure));
    // Each look at a reissue reads its batches.
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

async function waitUntil(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Works an operation off as another process would, until it wants no turn any more. */
async function workedOffElsewhere(operationId: string): Promise<void> {
  let handle: JobHandler = () => Promise.resolve();
  const queue = {
    add: () => Promise.resolve(),
    process: (_: string, __: object, handler: JobHandler) => {
      handle = handler;
      return Promise.resolve({ stop: () => Promise.resolve() });
    },
  } as unknown as JobQueue;
  const { mass } = server.server.issuance.services;
  const running = await processMassJobs(mass, queue, () => undefined);
  for (;;) {
    const again = await handle({ id: operationId, data: { tenant: operatorTenant, operationId } });
    if (again === undefined) break;
    await new Promise((resolve) => setTimeout(resolve, again.againAtMs - Date.now()));
  }
  await running.stop(0);
}

/** Resolves once a run that goes on has given way, and looks what is stored. */
async function lookedAgain(operationId: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  onLook = (name) => {
    if (name === operationId) resolve(undefined);
  };
  await promise;
}

async function actionsOf(operationId: string): Promise<readonly string[]> {
  const answer = await get('/v1/audit?limit=1000');
  const { items } = (await answer.json()) as { readonly items: readonly ChainedAuditEntry[] };
  return items.flatMap(({ action, detail }) =>
    detail['operation'] === operationId ? [action] : [],
  );
}

const times = ['before', 'after'] as const;
const cases = (calls: readonly Call[]) =>
  calls.flatMap((call) => times.map((when) => [call, when] as const));

describe('a mass revocation', () => {
  test.each(cases(revokeCalls))(
    'counts and changes each certificate once where %s fails, %s its effect',
    async (call, when) => {
      const name = `revoke-${call.toLowerCase()}-${when}`;
      await issued(name);
      // Not the first: that is the call's that begins the operation.
      armed = { call, when, left: call === 'saveOperation' ? 5 : 2 };
      const selection = { orderId: name };
      const counts = await countsOf({ operationId: name, kind: 'revoke', selection });
      expect(armed.left).toBeLessThan(1);
      expect(counts).toMatchObject({
        lookedAt: population,
        selected: population,
        changed: population,
        unchanged: 0,
        pending: 0,
      });
      expect(await accountOf(get, name)).toEqual({ changed: population });
      expect(await actionsOf(name)).toEqual(['mass-operation.begun', 'mass-operation.ended']);
    },
  );
});

test('a mass revocation says that the disk is full, and goes on when there is room', async () => {
  await issued('full');
  isFull = true;
  const json = { operationId: 'full', kind: 'revoke', selection: { orderId: 'full' } };
  const ending = countsOf(json);
  const shown = async () => (await server.call('GET', '/v1/operations/full')).json();
  await waitUntil(async () => ((await shown()) as { failure?: object }).failure !== undefined);
  expect(await shown()).toMatchObject({
    state: 'running',
    failure: { code: 'FAULT_DISK_FULL' },
    counts: { changed: 0 },
  });
  isFull = false;
  expect(await ending).toMatchObject({ changed: population, unchanged: 0 });
});

describe('a mass reissue', () => {
  test.each(cases([...reissueCalls, ...moreReissueCalls]))(
    'issues each certificate once more where %s fails, %s its effect',
    async (call, when) => {
      const name = `reissue-${call.toLowerCase()}-${when}`;
      await issued(name);
      const onceOnly: readonly Call[] = ['listStatuses', 'createOrder', 'completeUpload'];
      const left = onceOnly.includes(call) ? 1 : 2;
      // The first is of the call that begins the operation.
      armed = { call, when, left: call === 'saveOperation' ? 3 : left };
      const counts = await countsOf({
        operationId: `${name}-new`,
        kind: 'reissue',
        selection: { orderId: name },
        issuer: 'second',
        profile: 'tls-client',
      });
      expect(armed.left).toBeLessThan(1);
      expect(counts).toMatchObject({
        lookedAt: population,
        submitted: population,
        issued: population,
        rejected: 0,
      });
      expect(await accountOf(get, `${name}-new`)).toEqual({ issued: population });
      const order = await (await server.call('GET', `/v1/orders/${name}-new`)).json();
      expect(order).toMatchObject({ reserved: population, state: 'closed' });
    },
  );

  test('uploads nothing into another order that somebody opens under its name, and leaves that alone', async () => {
    await issued('taken');
    const name = 'taken-new';
    const meanwhile = () => anOrder(server, name, { issuer: 'first', renews: true });
    armed = { call: 'createOrder', when: 'before', left: 1, meanwhile };
    const counting = countsOf({
      operationId: name,
      kind: 'reissue',
      selection: { orderId: 'taken' },
      issuer: 'second',
      profile: 'tls-client',
    });
    await expect(counting).rejects.toThrow(`order '${name}' is another one`);
    expect((await server.call('POST', `/v1/operations/${name}/cancel`)).status).toBe(200);
    const order = await (await get(`/v1/orders/${name}`)).json();
    expect(order).toMatchObject({ reserved: 0, state: 'open' });
  });

  test.each([
    // Its chunk is uploaded by then, and may be decided, or not.
    ['saveOperation', 3, population, 1],
    ['registerChunk', 1, population - 1, 0],
  ] as const)(
    'goes on although a certificate of the step was revoked when %s had failed',
    async (call, left, submitted, atMostRejected) => {
      const name = `meanwhile-${call.toLowerCase()}`;
      const [, serialNumber = ''] = /"serialNumber":"([0-9a-f]+)"/u.exec(await issued(name)) ?? [];
      const path = `/v1/certificates/${serialNumber}/revocation`;
      const meanwhile = () => server.call('POST', path, { json: { reason: 'superseded' } });
      armed = { call, when: 'before', left, meanwhile };
      const counts = await countsOf({
        operationId: `${name}-new`,
        kind: 'reissue',
        selection: { orderId: name },
        issuer: 'second',
        profile: 'tls-client',
      });
      expect(counts).toMatchObject({ submitted });
      const { issued: renewed, rejected } = counts;
      expect(renewed + rejected).toBe(submitted);
      expect(rejected).toBeLessThanOrEqual(atMostRejected);
    },
  );
});

describe('a run that hung while its certificates were revoked, and goes on', () => {
  /** Begins a reissue whose first run hangs before it registers its first chunk, of which one is revoked. */
  async function hung(name: string, meanwhile: () => Promise<unknown>): Promise<void> {
    const [, serialNumber = ''] = /"serialNumber":"([0-9a-f]+)"/u.exec(await issued(name)) ?? [];
    const isOver = Promise.withResolvers<undefined>();
    holds.registerChunk.push(async () => {
      const path = `/v1/certificates/${serialNumber}/revocation`;
      await server.call('POST', path, { json: { reason: 'superseded' } });
      await meanwhile();
      isOver.resolve(undefined);
    });
    await server.call('POST', '/v1/operations', {
      json: {
        operationId: `${name}-new`,
        kind: 'reissue',
        selection: { orderId: name },
        issuer: 'second',
        profile: 'tls-client',
      },
    });
    await isOver.promise;
  }

  async function expectOneEach(name: string): Promise<void> {
    const operation = `${name}-new`;
    const shown = massOperationSchema.parse(
      await (await get(`/v1/operations/${operation}`)).json(),
    );
    const submitted = population - 1;
    expect(shown).toMatchObject({ state: 'done', counts: { submitted, issued: submitted } });
    expect(await accountOf(get, operation)).toEqual({ issued: submitted, skipped: 1 });
    const order = await (await get(`/v1/orders/${operation}`)).json();
    expect(order).toMatchObject({ reserved: submitted, state: 'closed' });
    expect(await actionsOf(operation)).toEqual(['mass-operation.begun', 'mass-operation.ended']);
  }

  test('uploads nothing once another run has ended the operation, and tells of no end', async () => {
    await hung('hung', () => workedOffElsewhere('hung-new'));
    await lookedAgain('hung-new');
    await expectOneEach('hung');
  });

  test('uploads nothing into what another run is about to upload, which goes on', async () => {
    let elsewhere: Promise<void> | undefined;
    const isAbout = Promise.withResolvers<undefined>();
    const hasGoneOn = Promise.withResolvers<undefined>();
    await hung('stale', async () => {
      holds.registerChunk.push(() => {
        isAbout.resolve(undefined);
        return hasGoneOn.promise;
      });
      elsewhere = workedOffElsewhere('stale-new');
      await isAbout.promise;
    });
    await lookedAgain('stale-new');
    hasGoneOn.resolve(undefined);
    await elsewhere;
    await expectOneEach('stale');
  });
});

test('a reissue gives nothing to devices that are revoked, or held, before their verdicts', async () => {
  const told = await issued('meantime', csrsOf(4, 'meantime'));
  const [one = '', other = ''] = Array.from(
    told.matchAll(/"serialNumber":"([0-9a-f]+)"/gu),
    ([, serialNumber]) => serialNumber,
  );
  holds.getVerdict.push(async () => {
    for (const [serialNumber, json] of [
      [one, { reason: 'privilegeWithdrawn' }],
      [other, { reason: 'certificateHold' }],
    ] as const) {
      const path = `/v1/certificates/${serialNumber}/revocation`;
      expect((await server.call('POST', path, { json })).ok).toBe(true);
    }
  });
  const counts = await countsOf({
    ...{ operationId: 'meantime-new', kind: 'reissue', selection: { orderId: 'meantime' } },
    ...{ issuer: 'second', profile: 'tls-client' },
  });
  expect(counts).toMatchObject({ submitted: 4, issued: 2, rejected: 2 });
  const results = await resultsOf(get, 'meantime-new');
  const refused = results.filter(({ outcome }) => outcome === 'rejected');
  expect(refused.map(({ reason }) => reason)).toEqual(Array(2).fill('CERTIFICATE_REVOKED'));
});

test('a reissue takes no device that got another certificate between its plan and its verdicts', async () => {
  await issued('overtaken');
  const wanted = {
    ...{ kind: 'reissue', selection: { orderId: 'overtaken' } },
    ...{ issuer: 'second', profile: 'tls-client' },
  };
  holds.registerChunk.push(async () => {
    await issued('overtaken-renewal', [{ deviceId: 'unit-0', csr: aCsr('unit-0') }]);
    await server.call('POST', '/v1/operations', { json: { ...wanted, operationId: 'overtaking' } });
    await workedOffElsewhere('overtaking');
  });
  const counts = await countsOf({ ...wanted, operationId: 'overtaken-new' });
  // Its first chunk was planned by then, the second was not.
  expect(counts).toMatchObject({ submitted: 256, issued: 0, rejected: 256, skipped: 44 });
  const results = await resultsOf(get, 'overtaken-new');
  const reasons = new Set(results.map(({ outcome, reason }) => `${outcome} ${reason ?? ''}`));
  expect(reasons).toEqual(
    new Set(['rejected DEVICE_ALREADY_ISSUED', 'skipped CERTIFICATE_REPLACED']),
  );
  const others = population - 1;
  expect(await accountOf(get, 'overtaking')).toEqual({ issued: others, skipped: 1 });
});

describe('an operation that is cancelled or paused', () => {
  const wanted = { issuer: 'second', profile: 'tls-client' };
  const control = async (name: string, how: string): Promise<number> =>
    (await server.call('POST', `/v1/operations/${name}/${how}`)).status;
  const stateOf = async (name: string): Promise<unknown> =>
    ((await (await get(`/v1/operations/${name}`)).json()) as { readonly state: string }).state;
  const theOrder = async (name: string): Promise<object> =>
    (await (await get(`/v1/orders/${name}`)).json()) as object;

  /** A reissue that has uploaded all it is to, and waits for its rate. */
  async function waiting(name: string): Promise<string> {
    const operationId = `${name}-new`;
    await issued(name, csrsOf(3, name));
    const selection = { orderId: name };
    const rate = { ratePerSecond: 0.01 };
    const json = { operationId, kind: 'reissue', selection, ...wanted, ...rate };
    expect((await server.call('POST', '/v1/operations', { json })).status).toBe(202);
    await waitUntil(async () => {
      const shown = (await (await get(`/v1/operations/${operationId}`)).json()) as object;
      return massOperationSchema.parse(shown).counts.submitted > 0;
    });
    return operationId;
  }

  test.each(cases(controlCalls))(
    'is so and is told, once, when it is asked for again where %s failed, %s its effect',
    async (call, when) => {
      const name = await waiting(`stop-${call.toLowerCase()}-${when}`);
      armed = { call, when, left: 1 };
      expect(await control(name, 'cancel')).toBe(503);
      expect(await control(name, 'cancel')).toBe(200);
      expect(await stateOf(name)).toBe('cancelled');
      expect(await theOrder(name)).toMatchObject({ state: 'closed' });
      expect(await actionsOf(name)).toEqual(['mass-operation.begun', 'mass-operation.cancelled']);
    },
  );

  test('is told of each change although the trail was away for a while', async () => {
    const name = await waiting('held');
    for (const how of ['pause', 'resume', 'pause', 'cancel']) {
      armed = { call: 'appendAudit', when: 'before', left: 1 };
      expect([how, await control(name, how)]).toEqual([how, 503]);
      expect([how, await control(name, how)]).toEqual([how, 200]);
    }
    expect(await actionsOf(name)).toEqual(
      ['begun', 'paused', 'resumed', 'paused', 'cancelled'].map((end) => `mass-operation.${end}`),
    );
  });

  test('ends by itself, although nobody asks again', async () => {
    const name = await waiting('alone');
    expect(await control(name, 'pause')).toBe(200);
    armed = { call: 'closeOrder', when: 'before', left: 1 };
    expect(await control(name, 'cancel')).toBe(503);
    await workedOffElsewhere(name);
    expect(await stateOf(name)).toBe('cancelled');
    expect(await theOrder(name)).toMatchObject({ state: 'closed' });
  });

  test.each([
    ['renew', 409],
    ['reissue', 403],
  ])('issues nothing where its %s was about to open its order', async (kind, refused) => {
    const name = `early-${kind}`;
    await issued(name, csrsOf(3, name));
    const operationId = `${name}-new`;
    const isCancelled = Promise.withResolvers<number>();
    holds.createOrder.push(async () => {
      isCancelled.resolve(await control(operationId, 'cancel'));
    });
    const json = { operationId, kind, selection: { orderId: name }, ...wanted };
    expect((await server.call('POST', '/v1/operations', { json })).status).toBe(202);
    expect(await isCancelled.promise).toBe(200);
    await lookedAgain(operationId);
    expect(await theOrder(operationId)).toMatchObject({ state: 'closed', reserved: 0 });
    const path = `/v1/orders/${operationId}/batches`;
    const headers = { ...ndjson, 'idempotency-key': 'late' };
    const body = ndjsonOf(csrsOf(3, name));
    expect((await server.call('POST', path, { headers, body })).status).toBe(refused);
    const shown = (await (await get(`/v1/operations/${operationId}`)).json()) as object;
    expect(shown).toMatchObject({ state: 'cancelled', counts: { issued: 0, rejected: 0 } });
  });
});

describe('an operation that is begun', () => {
  test('is told once, by two calls at a time and where the trail was away', async () => {
    await issued('twice', csrsOf(3, 'twice'));
    const selection = { orderId: 'twice' };
    for (const name of ['twice-at-once', 'twice-told']) {
      const json = { operationId: name, kind: 'revoke', selection };
      const begin = async () => (await server.call('POST', '/v1/operations', { json })).status;
      if (name === 'twice-told') {
        armed = { call: 'appendAudit', when: 'before', left: 1 };
        expect(await begin()).toBe(503);
      } else {
        expect(await Promise.all([begin(), begin()])).toEqual([202, 202]);
      }
      await countsOf(json);
      expect(await actionsOf(name)).toEqual(['mass-operation.begun', 'mass-operation.ended']);
    }
  });

  test('takes one of the places of calls that look at many certificates, and so does its list of devices', async () => {
    await issued('crowd', csrsOf(3, 'crowd'));
    const selection = { orderId: 'crowd' };
    const begin = async (operationId: string, kind = 'revoke'): Promise<number> => {
      const work = kind === 'revoke' ? {} : { issuer: 'second', profile: 'tls-client' };
      const json = { operationId, kind, selection, ...work };
      return (await server.call('POST', '/v1/operations', { json })).status;
    };
    expect(await begin('crowd-new', 'reissue')).toBe(202);
    const isOver = Promise.withResolvers<undefined>();
    const freezing = ['crowd-1', 'crowd-2'].map(async (name) => {
      const isHeld = Promise.withResolvers<undefined>();
      holds.putFrozenPage.push(() => {
        isHeld.resolve(undefined);
        return isOver.promise;
      });
      const beginning = begin(name);
      await isHeld.promise;
      return { beginning };
    });
    const held = await Promise.all(freezing);
    const devices = async () => (await get('/v1/operations/crowd-new/devices')).status;
    expect([await begin('crowd-3'), await devices()]).toEqual([429, 429]);
    isOver.resolve(undefined);
    expect(await Promise.all(held.map(({ beginning }) => beginning))).toEqual([202, 202]);
    expect([await begin('crowd-3'), await devices()]).toEqual([202, 200]);
  });
});

/** Each is a batch of its own. 100,000 where somebody has an hour: CERTMILL_MASS_SINGLES. */
const singles = Number(process.env['CERTMILL_MASS_SINGLES'] ?? 300);

test(
  'single enrolments, a batch each, are all issued once more and then revoked, over breaks and a pause',
  async () => {
    await anOrder(server, 'singles', { issuer: 'first', quota: singles });
    const waiting = csrsOf(singles, 'single').values();
    const enrol = async (): Promise<void> => {
      for (const { deviceId, csr } of waiting) {
        const path = `/v1/orders/singles/certificates?deviceId=${deviceId}`;
        const headers = { 'content-type': 'application/pkcs10', accept: 'application/pkix-cert' };
        const answer = await server.call('POST', path, { headers, body: new Uint8Array(csr) });
        if (answer.status !== 201) throw new Error(await answer.text());
        await answer.arrayBuffer();
      }
    };
    await Promise.all(Array.from({ length: 16 }, enrol));

    armed = { call: 'saveOperation', when: 'after', left: singles };
    const selection = { orderId: 'singles' };
    const reissued = await countsOf({
      ...{ operationId: 'singles-new', kind: 'reissue', selection },
      ...{ issuer: 'second', profile: 'tls-client' },
    });
    expect(armed.left).toBeLessThan(1);
    expect(reissued).toMatchObject({ lookedAt: singles, submitted: singles, issued: singles });
    expect(await accountOf(get, 'singles-new')).toEqual({ issued: singles });
    const order = await (await get('/v1/orders/singles-new')).json();
    expect(order).toMatchObject({ reserved: singles, state: 'closed' });

    armed = { call: 'changeStatuses', when: 'after', left: Math.ceil(singles / 2) };
    const meanwhile = async () => {
      await server.call('POST', '/v1/operations/singles-end/pause');
      await server.call('POST', '/v1/operations/singles-end/resume');
    };
    armed = { ...armed, meanwhile };
    const revoked = await countsOf({ operationId: 'singles-end', kind: 'revoke', selection });
    expect(armed.left).toBeLessThan(1);
    expect(revoked).toMatchObject({ changed: singles, unchanged: 0, refused: 0 });
    expect(await accountOf(get, 'singles-end')).toEqual({ changed: singles });
  },
  60_000 + singles * 40,
);
