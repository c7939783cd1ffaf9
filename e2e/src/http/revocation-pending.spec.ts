import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { EmbeddedStore } from '@certmill/adapter-embedded';
import {
  changeCertificates,
  type CertificateName,
  type ChangesMade,
  type Selection,
} from '@certmill/pipeline';
import { changedCertificateSchema, changesSchema } from '@certmill/platform';
import { runCertmill } from '../cli/testing/run-certmill.js';
import { patchedStore } from '../crash/patched-store.js';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import { anOrder, aServer, ndjson, type TestServer } from './test-server.js';

interface Counters {
  readonly counters: Readonly<Record<'inFlight' | 'issued', number>>;
}
type Changes = Record<string, unknown>;

/** While it is there, the stage before this call waits: nothing is judged, or nothing that is judged ends. */
let held: { readonly before: 'judged' | 'ended'; readonly until: Promise<undefined> } | undefined;
let letGo: () => void = () => undefined;
let server: TestServer;

function hold(before: 'judged' | 'ended'): void {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  held = { before, until: promise };
  letGo = () => {
    held = undefined;
    resolve(undefined);
  };
}

async function passed(before: 'judged' | 'ended'): Promise<void> {
  if (held?.before === before) await held.until;
}

function aroundStore(store: EmbeddedStore): EmbeddedStore {
  return patchedStore(store, {
    async decide(decision) {
      await passed('judged');
      return store.decide(decision);
    },
    async publish(terminal) {
      await passed('ended');
      return store.publish(terminal);
    },
  });
}

beforeAll(async () => {
  server = await aServer({}, { aroundStore });
});
afterEach(() => {
  letGo();
});
afterAll(() => server[Symbol.asyncDispose]());

async function upload(orderId: string, csrs: ReturnType<typeof csrsOf>): Promise<string> {
  const answer = await server.call('POST', `/v1/orders/${orderId}/batches`, {
    headers: { ...ndjson, 'idempotency-key': orderId },
    body: ndjsonOf(csrs),
  });
  return ((await answer.json()) as { readonly batchId: string }).batchId;
}

async function countersOf(batchId: string): Promise<Counters['counters']> {
  const answer = await server.call('GET', `/v1/batches/${batchId}`);
  return ((await answer.json()) as Counters).counters;
}

async function ended(batchId: string): Promise<void> {
  while ((await countersOf(batchId)).inFlight > 0) await pause(10);
}

/** An upload whose requests are judged and do not end before `letGo`. */
async function judged(orderId: string, csrs: ReturnType<typeof csrsOf>): Promise<string> {
  hold('ended');
  const batchId = await upload(orderId, csrs);
  const { store } = server.server.issuance;
  const chunk = { tenant: 'default', batchId, chunkNumber: 0 };
  while ((await store.getVerdict(chunk)) === undefined) await pause(10);
  return batchId;
}

async function revoked(json: object): Promise<Changes> {
  const answer = await server.call('POST', '/v1/revocations', {
    json: { reason: 'privilegeWithdrawn', ...json },
  });
  const told = (await answer.json()) as Changes;
  changesSchema.parse(told);
  return told;
}

async function statusesOf(deviceId: string): Promise<readonly string[]> {
  const answer = await server.call('GET', `/v1/certificates?deviceId=${deviceId}`);
  const { items } = (await answer.json()) as { readonly items: readonly { status: string }[] };
  return items.map(({ status }) => status);
}

async function serialOf(deviceId: string): Promise<string> {
  const answer = await server.call('GET', `/v1/certificates?deviceId=${deviceId}`);
  const { items } = (await answer.json()) as {
    readonly items: readonly { serialNumber: string }[];
  };
  return items[0]?.serialNumber ?? '';
}

test.each(['judged', 'ended'] as const)(
  'an order, a batch and an issuer are told with what waits to be %s, until that is revoked too',
  async (before) => {
    const orderId = `o-${before}`;
    await anOrder(server, orderId);
    hold(before);
    const batchId = await upload(orderId, csrsOf(20, orderId));
    const name = `batch ${batchId}`;
    const waiting = { changed: 0, pending: 20, items: [{ name, outcome: 'pending' }] };
    for (const dryRun of [true, false, false]) {
      expect(await revoked({ orderId, dryRun })).toMatchObject(waiting);
      expect(await revoked({ batchId, dryRun })).toMatchObject(waiting);
      expect(await revoked({ issuer: 'dev', dryRun })).toMatchObject({ changed: 0, pending: 20 });
    }
    letGo();
    await ended(batchId);
    expect(await revoked({ orderId })).toMatchObject({ changed: 20, pending: 0 });
    expect(await revoked({ orderId })).toMatchObject({ unchanged: 20, pending: 0 });
  },
);

test('a device and a key are told with their request that is judged; it is found, and pending', async () => {
  await anOrder(server, 'devices');
  const batchId = await judged('devices', csrsOf(3, 'devices'));
  const json = { deviceIds: ['devices-0', 'devices-1', 'devices-0', 'nobody'] };
  for (const dryRun of [true, false]) {
    const told = await revoked({ ...json, dryRun });
    expect(told).toMatchObject({ changed: 0, notFound: 1, pending: 2 });
    expect(told['items']).toEqual([
      { name: 'devices-0', outcome: 'pending' },
      { name: 'devices-1', outcome: 'pending' },
      { name: 'nobody', outcome: 'not-found' },
    ]);
  }
  expect(
    await revoked({ deviceIds: ['devices-0'], release: true, reason: undefined }),
  ).toMatchObject({ pending: 0 });
  letGo();
  await ended(batchId);
  expect(await revoked(json)).toMatchObject({ changed: 2, unchanged: 1, notFound: 1, pending: 0 });
  expect(await statusesOf('devices-0')).toEqual(['revoked']);
});

/** Revokes with what happens right before and behind the first change. */
async function revokedAround(
  selection: Selection,
  { before, behind }: { before?: () => Promise<void>; behind?: () => Promise<void> },
): Promise<ChangesMade> {
  const { services, store } = server.server.issuance;
  let calls = 0;
  return changeCertificates(
    {
      ...services.revoking,
      revocations: {
        async changeStatuses(changes) {
          const isFirst = (calls += 1) === 1;
          if (isFirst) await before?.();
          const outcomes = await store.changeStatuses(changes);
          if (isFirst) await behind?.();
          return outcomes;
        },
      },
    },
    {
      actor: 'e2e',
      tenants: ['default'],
      selection,
      change: { kind: 'revoke', reason: 'keyCompromise', revokedAtMs: Date.now() },
    },
  );
}

describe('a device of which a request is judged only while it is revoked', () => {
  const deviceOf = (deviceId: string): Selection => {
    return { by: 'names', names: [{ by: 'deviceId', deviceId }] };
  };

  test('and that enrols anew behind the change, with another key, keeps that, and is told', async () => {
    await anOrder(server, 'stolen');
    await ended(await upload('stolen', csrsOf(1, 'anew')));
    await anOrder(server, 'anew');
    const enrol = async (): Promise<void> => ended(await upload('anew', csrsOf(1, 'anew')));
    const made = await revokedAround(deviceOf('anew-0'), { behind: enrol });
    expect(made).toMatchObject({ changed: 1, unchanged: 0, pending: 1, pendingNames: ['anew-0'] });
    expect(await statusesOf('anew-0')).toEqual(['good', 'revoked']);
  });

  test('is told of that where it was judged before the change and behind the look, ended or not', async () => {
    const keys = csrsOf(1, 'gap');
    await anOrder(server, 'gap');
    await ended(await upload('gap', keys));
    await anOrder(server, 'gap-renewed', { renews: true });
    const renew = async (): Promise<void> => ended(await upload('gap-renewed', keys));
    const told = { changed: 1, unchanged: 0, pending: 1, pendingNames: ['gap-0'] };
    expect(await revokedAround(deviceOf('gap-0'), { before: renew })).toMatchObject(told);
    expect(await statusesOf('gap-0')).toEqual(['good', 'revoked']);
    expect(await revokedAround(deviceOf('gap-0'), {})).toMatchObject({ changed: 1, pending: 0 });

    const others = csrsOf(1, 'gap-judged');
    await anOrder(server, 'gap-judged');
    await ended(await upload('gap-judged', others));
    await anOrder(server, 'gap-waits', { renews: true });
    const judge = async (): Promise<void> => {
      await judged('gap-waits', others);
    };
    const made = await revokedAround(deviceOf('gap-judged-0'), { before: judge });
    expect(made).toMatchObject({ ...told, pendingNames: ['gap-judged-0'] });
  });
});

describe('a renewal of the same keys', () => {
  const csrs = csrsOf(5, 'renewed');

  async function aRenewal(orderId: string): Promise<string> {
    await anOrder(server, orderId, { renews: true });
    return judged(orderId, csrs);
  }

  test('is told where a key is lost, by number and by order, and where it is not it is not', async () => {
    await anOrder(server, 'first');
    await ended(await upload('first', csrs));
    const serialNumber = await serialOf('renewed-0');
    const path = `/v1/certificates/${serialNumber}/revocation`;
    const second = await aRenewal('second');
    expect(await revoked({ serialNumbers: [serialNumber] })).toMatchObject({
      changed: 1,
      pending: 0,
    });
    const lost = { reason: 'keyCompromise' };
    const udid = expect.stringMatching(/^[0-9a-f]{64}$/) as unknown;
    const items = [
      { name: udid, outcome: 'pending' },
      { serialNumber, deviceId: 'renewed-0' },
    ];
    for (const dryRun of [true, false]) {
      const json = { serialNumbers: [serialNumber], dryRun, ...lost };
      expect(await revoked(json)).toMatchObject({ changed: 1, pending: 1, items });
    }
    const alone = await server.call('POST', path, { json: lost });
    const told: unknown = await alone.json();
    changedCertificateSchema.parse(told);
    expect(told).toMatchObject({ outcome: 'unchanged', pending: 1 });
    const all = await revoked({ orderId: 'first', ...lost });
    expect(all).toMatchObject({ changed: 4, unchanged: 1, pending: 5 });
    letGo();
    await ended(second);
    // As it was told: the request had been judged before the key was lost.
    expect(await statusesOf('renewed-0')).toEqual(['good', 'revoked']);
    const { name } = (all['items'] as readonly { readonly name: string }[])[0] ?? { name: '' };
    expect(await revoked({ udids: [name], ...lost })).toMatchObject({ changed: 1, pending: 0 });
    expect(await revoked({ orderId: 'first', ...lost })).toMatchObject({ pending: 0 });
  });

  /** Revokes with requests that end between the look at the selection and its change. */
  function revokedMeanwhile(selection: Selection, batchId: string): Promise<ChangesMade> {
    return revokedAround(selection, {
      async before() {
        letGo();
        await ended(batchId);
      },
    });
  }

  test('that ends while its device is revoked is revoked with it', async () => {
    const own = csrsOf(2, 'late');
    await anOrder(server, 'early');
    await ended(await upload('early', own));
    await anOrder(server, 'late', { renews: true });
    const batchId = await judged('late', own);
    const byDevice: CertificateName = { by: 'deviceId', deviceId: 'late-0' };
    const made = await revokedMeanwhile({ by: 'names', names: [byDevice] }, batchId);
    expect(made).toMatchObject({ changed: 2, unchanged: 0, notFound: 0, pending: 0 });
    expect(await statusesOf('late-0')).toEqual(['revoked', 'revoked']);
    expect(await statusesOf('late-1')).toEqual(['good', 'good']);
  });

  test('that ends while the certificates of its keys are revoked is told', async () => {
    const own = csrsOf(2, 'later');
    await anOrder(server, 'former');
    await ended(await upload('former', own));
    await anOrder(server, 'later', { renews: true });
    const batchId = await judged('later', own);
    const made = await revokedMeanwhile({ by: 'order', orderId: 'former' }, batchId);
    expect(made).toMatchObject({ changed: 2, pending: 2 });
  });
});

test('certmill revoke says what is on its way and what to do, and exits with 2', async () => {
  await anOrder(server, 'told');
  const batchId = await judged('told', csrsOf(7, 'told'));
  const list = join(server.data, 'list.txt');
  const keyFile = join(server.data, 'operator.key');
  await writeFile(list, 'told-0\ntold-1\ntold-0\n');
  await writeFile(keyFile, server.key);
  const at = ['--server', server.url, '--key-file', keyFile];
  const run = (...args: readonly string[]) => runCertmill(['revoke', ...args, ...at]);
  const [order, rows] = await Promise.all([
    run('--order', 'told', '--yes'),
    run('--file', list, '--dry-run'),
  ]);
  expect([order.exitCode, order.stdout]).toEqual([
    2,
    expect.stringMatching(/^0 revoked.*\n7 on their way .*type the same again.*mass revoke/),
  ]);
  expect([rows.exitCode, rows.stdout]).toEqual([
    2,
    expect.stringMatching(/^0 would be .*\n2 on their way .*again.*\ntold-0: on its way\n/),
  ]);
  letGo();
  await ended(batchId);
  const after = await run('--order', 'told', '--yes', '--json');
  expect(after.exitCode).toBe(0);
  expect(JSON.parse(after.stdout)).toMatchObject({ changed: 7, pending: 0, left: [] });
});
