import { CertmillError } from '@certmill/domain';
import { massOperationSchema, type IssuanceStore } from '@certmill/platform';
import { patchedStore } from '../crash/patched-store.js';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { accountOf } from './mass-results.js';
import { anOrder, aServer, ndjson, type TestServer } from './test-server.js';

/** Two chunks. */
const population = 300;
const csrs = csrsOf(population, 'unit');

/** Calls of an operation that fail once, before or after they have had their effect. */
const revokeCalls = ['getSegment', 'changeStatuses', 'saveOperation', 'appendAudit'] as const;
const reissueCalls = ['listStatuses', 'createOrder', 'openBatch', 'registerChunk'] as const;
const moreReissueCalls = ['confirmChunk', 'completeUpload', 'saveOperation'] as const;
type Call = (typeof revokeCalls | typeof reissueCalls | typeof moreReissueCalls)[number];

let server: TestServer;
/** Counted down by calls of the name; at 0 one fails. */
let armed: Armed | undefined;
/** Nothing can be changed while it is. */
let isFull = false;

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
      const isHit = armed?.call === call && (armed.left -= 1) === 0;
      if (!isHit) return own(...args);
      const { when, meanwhile } = armed ?? {};
      if (when === 'after') await own(...args);
      await meanwhile?.();
      throw away();
    };
  };
  const calls: readonly Call[] = [...revokeCalls, ...reissueCalls, ...moreReissueCalls];
  const patch = Object.fromEntries(calls.map((call) => [call, failing(call)]));
  return patchedStore(store, patch as Partial<T>);
}

beforeAll(async () => {
  const issuers = { first: 'ec-p256', second: 'ec-p256' } as const;
  server = await aServer({}, { aroundStore: failingStore }, { issuers });
}, 120_000);
afterEach(() => {
  isFull = false;
  armed = undefined;
});
const get = (path: string): Promise<Response> => server.call('GET', path);
afterAll(() => server[Symbol.asyncDispose]());

async function issued(orderId: string): Promise<string> {
  await anOrder(server, orderId, { issuer: 'first', renews: true });
  const answer = await server.call('POST', `/v1/orders/${orderId}/batches`, {
    headers: { ...ndjson, 'idempotency-key': orderId },
    body: ndjsonOf(csrs),
  });
  const { batchId } = (await answer.json()) as { readonly batchId: string };
  const path = `/v1/batches/${batchId}/certificates?follow=true`;
  return (await server.call('GET', path)).text();
}

async function countsOf(
  json: Readonly<Record<string, unknown>> & { readonly operationId: string },
): Promise<object> {
  const begun = await server.call('POST', '/v1/operations', { json });
  if (!begun.ok) throw new Error(await begun.text());
  for (;;) {
    const answer = await server.call('GET', `/v1/operations/${json.operationId}`);
    const { state, counts, failure } = massOperationSchema.parse(await answer.json());
    if (state === 'done') return counts;
    if (state === 'failed') throw new Error(JSON.stringify(failure));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function waitUntil(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
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
      armed = { call, when, left: call === 'saveOperation' ? 4 : 2 };
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
    },
    60_000,
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
}, 60_000);

describe('a mass reissue', () => {
  test.each(cases([...reissueCalls, ...moreReissueCalls]))(
    'issues each certificate once more where %s fails, %s its effect',
    async (call, when) => {
      const name = `reissue-${call.toLowerCase()}-${when}`;
      await issued(name);
      const onceOnly: readonly Call[] = ['listStatuses', 'createOrder', 'completeUpload'];
      const left = onceOnly.includes(call) ? 1 : 2;
      armed = { call, when, left };
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
    60_000,
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
  }, 60_000);

  test.each([
    // Its chunk is uploaded by then, or not.
    ['saveOperation', 2, population],
    ['registerChunk', 1, population - 1],
  ] as const)(
    'goes on although a certificate of the step was revoked when %s had failed',
    async (call, left, submitted) => {
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
      expect(counts).toMatchObject({ submitted, issued: submitted, rejected: 0 });
    },
    60_000,
  );
});
