import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { builtInProfileText } from '@certmill/domain/profile-files';
import { addCrlJob } from '@certmill/pipeline';
import { authorityIn, distinguishedNameDer, issueAuthority } from '@certmill/trust';
import {
  approve,
  parseOperation,
  quorumPolicyFileOf,
  serializeQuorumPolicy,
} from '@certmill/trust/approvals';
import { runCertmill, startCertmill, type Ended } from '../cli/testing/run-certmill.js';
import { patchedStore } from '../crash/patched-store.js';
import { aCsr, aForgedCsr, aKey, csrsOf, ndjsonOf, type DeviceCsr } from '../testing/a-csr.js';
import {
  aDataFolder,
  anOrder,
  aServer,
  ndjson,
  passphrase,
  type TestServer,
} from './test-server.js';

interface Told {
  readonly state: string;
  readonly steps: readonly {
    readonly step: string;
    readonly state: string;
    readonly facts?: Readonly<Record<string, unknown>>;
  }[];
  readonly left: readonly string[];
  readonly error?: { readonly code: string; readonly step: string; readonly message?: string };
}

const population = 3;
const status = { baseUri: 'http://pki.example', crlShards: 2 };
let server: TestServer;
let hurry: NodeJS.Timeout;
/** While it is pending, what the server takes is accepted and not decided. */
let decisions: Promise<unknown> | undefined;

beforeAll(async () => {
  const issuers = {
    abused: 'ec-p256',
    picky: 'ec-p256',
    alone: 'ec-p256',
    worn: 'ec-p256',
    calm: 'ec-p256',
    hasty: 'ec-p256',
  } as const;
  // Fewer than an issuer has certificates: a run and its dry run are no calls of that kind.
  const http = { limits: { maxRevocationsPerCall: 2 } };
  server = await aServer(
    http,
    {
      aroundStore: (store) =>
        patchedStore(store, {
          decide: async (decision) => {
            await decisions;
            return store.decide(decision);
          },
        }),
    },
    { issuers, status },
  );
  await addProfile('devices', 1);
  for (const issuer of Object.keys(issuers)) {
    await anOrder(server, `order-of-${issuer}`, { issuer, profile: 'devices' });
    await uploaded(`order-of-${issuer}`, csrsOf(population, issuer));
  }
  // By itself the server looks at what was revoked four times a minute.
  const { store } = server.server.issuance;
  hurry = setInterval(() => {
    void store
      .listChangedScopes('full', {
        issuers: ['abused', 'alone', 'picky', 'worn', 'next'],
        limit: 100,
      })
      .then(async (scopes) => {
        for (const { issuer, shard } of scopes) await addCrlJob(store, { issuer, shard });
      });
  }, 200);
});
afterAll(async () => {
  clearInterval(hurry);
  await server[Symbol.asyncDispose]();
});

/** Resolves with the batch once its requests are accepted. */
async function accepted(
  orderId: string,
  csrs: readonly DeviceCsr[],
  idempotencyKey = orderId,
): Promise<string> {
  const headers = { ...ndjson, 'idempotency-key': idempotencyKey };
  const body = ndjsonOf(csrs);
  const answer = await server.call('POST', `/v1/orders/${orderId}/batches`, { headers, body });
  const { batchId } = (await answer.json()) as { readonly batchId: string };
  expect(answer.status).toBe(202);
  return batchId;
}

async function uploaded(orderId: string, csrs: readonly DeviceCsr[]): Promise<void> {
  const batchId = await accepted(orderId, csrs);
  await (await server.call('GET', `/v1/batches/${batchId}/certificates?follow=true`)).text();
}

/** The allow-list of an order is this device. */
async function allowed(orderId: string, deviceId: string): Promise<void> {
  const answer = await server.call('PUT', `/v1/orders/${orderId}/devices`, {
    headers: { 'content-type': 'text/csv' },
    body: `deviceId\n${deviceId}\n`,
  });
  expect([answer.status, await answer.json()]).toEqual([200, { devices: 1 }]);
}

async function addProfile(name: string, version: number, keys = 'ec-p256'): Promise<void> {
  const yaml = builtInProfileText('tls-client')
    .replace(/^name: .*$/m, `name: ${name}`)
    .replace(/^version: .*$/m, `version: ${String(version)}`)
    .replace(/^keys: .*$/m, `keys: [${keys}]`);
  const headers = { 'content-type': 'application/yaml' };
  const answer = await server.call('POST', '/v1/profiles', { headers, body: yaml });
  expect([answer.status, await answer.text()]).toEqual([201, expect.anything()]);
}

const commandOf = (args: readonly string[]): string[] => [
  ...['ca', 'compromise', '--json', '--data', server.data],
  ...args,
];
const environment = () => ({
  env: {
    CERTMILL_SERVER: server.url,
    CERTMILL_API_KEY: server.key,
    CERTMILL_CA_PASSPHRASE_FILE: join(server.data, 'test-passphrase'),
  },
});

function typed(...args: readonly string[]): Promise<Ended> {
  return runCertmill(commandOf(args), environment());
}

/** What the command tells, and what it ends with. */
async function told(...args: readonly string[]): Promise<Told & Pick<Ended, 'exitCode'>> {
  const { exitCode, stdout, stderr } = await typed(...args);
  expect([stdout === '' ? stderr : '']).toEqual(['']);
  return { exitCode, ...(JSON.parse(stdout) as Told) };
}

const factsOf = ({ steps }: Told) =>
  Object.fromEntries(steps.map(({ step, facts }) => [step, facts]));

async function statusesOf(deviceId: string): Promise<readonly string[]> {
  const answer = await server.call('GET', `/v1/certificates?deviceId=${deviceId}`);
  const { items } = (await answer.json()) as { items: readonly { readonly status: string }[] };
  return items.map((item) => item.status).sort();
}

describe('an issuer whose key somebody else uses', () => {
  it('is revoked first, and what it issued moves all the same', async () => {
    const ended = await told('abused', '--to', 'next', '--revoke-first', '--yes');
    expect(ended).toMatchObject({ exitCode: 0, state: 'done', left: [] });
    expect(ended.steps.map(({ step }) => step)).toEqual([
      ...['successor', 'close', 'revoke-ca', 'parent-crl', 'drain', 'reissue', 'revoke', 'crls'],
    ]);
    expect(factsOf(ended)).toMatchObject({
      reissue: { issued: population },
      revoke: { revoked: population },
      // A revoked CA still signs its CRLs, for those who look at nothing else.
      crls: { crls: status.crlShards, entries: population },
    });
    expect(await statusesOf('abused-0')).toEqual(['good', 'revoked']);
    expect((await authorityIn(server.data, 'abused')).revoked?.reason).toBe('cACompromise');
  });
});

describe('requests that are on their way when their issuer is given up', () => {
  const heldOpen = (): PromiseWithResolvers<undefined> => {
    const gate = Promise.withResolvers<undefined>();
    decisions = gate.promise;
    return gate;
  };
  const until = async (isSo: () => Promise<boolean>): Promise<void> => {
    while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const shown = async <T>(path: string): Promise<T> =>
    (await (await server.call('GET', path)).json()) as T;
  const stateOf = async (orderId: string): Promise<string> =>
    (await shown<{ readonly state: string }>(`/v1/orders/${orderId}`)).state;
  const countersOf = async (batchId: string): Promise<Readonly<Record<string, number>>> =>
    (await shown<{ readonly counters: Record<string, number> }>(`/v1/batches/${batchId}`)).counters;
  afterEach(() => {
    decisions = undefined;
  });

  it('get their certificates, and nothing more is taken, not of an upload that runs either', async () => {
    const gate = heldOpen();
    const batch = await accepted('order-of-calm', csrsOf(300, 'waiting'), 'waiting');
    const [running, late] = [csrsOf(300, 'running'), csrsOf(600, 'late')];
    const isGivenUp = Promise.withResolvers<undefined>();
    const answer = server.call('POST', '/v1/orders/order-of-calm/batches', {
      headers: { ...ndjson, 'idempotency-key': 'running' },
      body: new ReadableStream({
        async start(stream) {
          stream.enqueue(Buffer.from(ndjsonOf(running)));
          await isGivenUp.promise;
          stream.enqueue(Buffer.from(ndjsonOf(late)));
          stream.close();
        },
      }),
    });
    const run = told('calm', '--to', 'next', '--yes');
    await until(async () => {
      const { takesUploads } = await shown<{ takesUploads: boolean }>('/v1/issuers/calm');
      return !takesUploads;
    });
    isGivenUp.resolve(undefined);
    const broken = await answer;
    const { nextIndex, ...problem } = (await broken.json()) as Record<string, unknown>;
    expect([broken.status, problem]).toEqual([
      409,
      expect.objectContaining({
        code: 'CONFLICT',
        detail: expect.stringMatching(/is given up: 'next' takes its place/) as string,
      }),
    ]);
    expect(nextIndex).toBeGreaterThan(0);
    expect(nextIndex).toBeLessThanOrEqual(running.length);
    // Closed now, it would reject what nobody has decided yet.
    expect(await stateOf('order-of-calm')).toBe('open');
    gate.resolve(undefined);
    const ended = await run;
    expect(ended).toMatchObject({ exitCode: 0, state: 'done', left: [] });
    const issued = population + 300 + Number(nextIndex);
    expect(factsOf(ended)).toMatchObject({
      drain: { issued, deadLettered: 0 },
      reissue: { issued },
      revoke: { revoked: issued },
    });
    expect(await countersOf(batch)).toMatchObject({ issued: 300, rejected: 0 });
    expect(await stateOf('order-of-calm')).toBe('closed');
    expect(await statusesOf('waiting-0')).toEqual(['good', 'revoked']);
    expect(await statusesOf('running-0')).toEqual(['good', 'revoked']);
  });

  it('are told of where the CA is revoked first: how many, in which batch, and what to do', async () => {
    const gate = heldOpen();
    const forged = { deviceId: 'forged', csr: aForgedCsr('forged') };
    const waiting = csrsOf(300, 'hurried');
    const batch = await accepted('order-of-hasty', [...waiting, forged], 'hurried');
    const args = ['hasty', '--to', 'next', '--revoke-first'];
    const dry = await told(...args, '--dry-run');
    expect(dry.steps.find(({ step }) => step === 'drain')).toMatchObject({
      would: { inFlight: 301, mayBeTurnedAway: 301 },
    });
    // Killed once the orders are closed: then nobody can tell any more who has closed them.
    const first = startCertmill(commandOf([...args, '--yes']), environment());
    await until(async () => {
      const file = join(server.data, 'compromises', 'leave-hasty.json');
      return (await readFile(file, 'utf8').catch(() => '')).includes('"step": "drain"');
    });
    first.child.kill('SIGKILL');
    await first.ended;
    expect(await stateOf('order-of-hasty')).toBe('closed');
    const run = told(...args, '--yes');
    gate.resolve(undefined);
    const ended = await run;
    expect(ended).toMatchObject({
      ...{ exitCode: 2, state: 'done' },
      left: [expect.stringMatching(/^300 requests .* upload them again under an order of 'next'/)],
    });
    expect(factsOf(ended)).toMatchObject({
      drain: {
        ...{ issued: population, turnedAway: 300 },
        turnedAwayIn: [`order-of-hasty/${batch}: 300`],
      },
      reissue: { issued: population },
    });
    expect(await countersOf(batch)).toMatchObject({ accepted: 301, issued: 0, rejected: 301 });
    expect(await told(...args, '--yes')).toEqual(ended);
    // As it says: which they are, and no claim of theirs is in the way.
    const out = join(server.data, 'turned-away/');
    await runCertmill(['fetch', batch, '--out', out], environment());
    const rejections = await readFile(join(out, 'rejections.ndjson'), 'utf8');
    expect(rejections.match(/"deviceId":"hurried-\d+","code":"ORDER_CLOSED"/g)).toHaveLength(300);
    await anOrder(server, 'again', { issuer: 'next', profile: 'devices' });
    await uploaded('again', waiting);
    expect(await statusesOf('hurried-299')).toEqual(['good']);
  });
});

describe('an issuer that is only revoked', () => {
  it('leaves its devices without certificates, for the reason that is given', async () => {
    const args = ['alone', '--no-reissue', '--reason', 'superseded'];
    const unsure = await typed(...args);
    expect([unsure.exitCode, unsure.stderr]).toEqual([1, expect.stringContaining('say --yes')]);
    expect(await statusesOf('alone-0')).toEqual(['good']);
    const ended = await told(...args, '--yes');
    expect(ended).toMatchObject({ exitCode: 0, state: 'done' });
    expect(factsOf(ended)).toMatchObject({ revoke: { reason: 'superseded', revoked: population } });
    expect(await statusesOf('alone-0')).toEqual(['revoked']);
  });
});

describe('an issuer whose devices have renewed under it, or were reissued', () => {
  interface Held {
    readonly serialNumber: string;
    readonly status: string;
    readonly certificate: string;
  }
  const key = aKey();
  const keptBy = async (deviceId: string): Promise<readonly X509Certificate[]> => {
    const answer = await server.call('GET', `/v1/certificates?deviceId=${deviceId}`);
    const { items } = (await answer.json()) as { readonly items: readonly Held[] };
    return items
      .filter((item) => item.status === 'good')
      .map(({ certificate }) => new X509Certificate(certificate));
  };

  it('leaves each with one certificate, for the key that it uses, and counts devices', async () => {
    await anOrder(server, 'worn-new', { issuer: 'worn', profile: 'devices', renews: true });
    await uploaded('worn-new', [{ deviceId: 'worn-0', csr: aCsr('worn-0', key) }]);
    const again = {
      operationId: 'worn-again',
      kind: 'reissue',
      issuer: 'worn',
      profile: 'devices',
    };
    const json = { ...again, selection: { orderId: 'order-of-worn' } };
    await server.call('POST', '/v1/operations', { json });
    for (let state = ''; state !== 'done';) {
      const shown = await server.call('GET', '/v1/operations/worn-again');
      ({ state } = (await shown.json()) as { readonly state: string });
    }
    // It is not what worn-0 would be left without.
    const found = await server.call('GET', '/v1/certificates?deviceId=worn-0');
    const { items } = (await found.json()) as { readonly items: readonly Held[] };
    const held = {
      serialNumbers: [items.at(-1)?.serialNumber],
      reason: 'certificateHold',
    };
    const onHold = await server.call('POST', '/v1/revocations', { json: held });
    expect(await onHold.json()).toMatchObject({ changed: 1 });
    const dry = await told('worn', '--to', 'unborn', '--dry-run');
    expect(dry.steps.find(({ step }) => step === 'reissue')).not.toHaveProperty('left');
    const would = Object.fromEntries(
      (dry.steps as readonly { readonly step: string; readonly would?: unknown }[]).map((each) => [
        each.step,
        each.would,
      ]),
    );
    expect(would).toMatchObject({ reissue: { devices: 3 }, revoke: { revoked: 6 } });
    // Another key policy since: no request passes, until that is mended.
    await addProfile('devices', 2, 'ec-p384');
    const stopped = await told('worn', '--to', 'next', '--yes');
    expect(stopped).toMatchObject({
      error: {
        code: 'STEP_WAITS',
        message: expect.stringMatching(
          /3 of 3 devices with profile devices have .* --name.* --leave-behind 3$/m,
        ) as string,
      },
    });
    expect(await keptBy('worn-0')).toHaveLength(1);
    await addProfile('devices', 3);
    const ended = await told('worn', '--to', 'next', '--name', 'mended', '--yes');
    expect(ended).toMatchObject({ exitCode: 0, state: 'done', left: [] });
    expect(factsOf(ended)).toMatchObject({
      reissue: { issued: 3, skipped: 3 },
      revoke: { revoked: 6 },
    });
    for (const deviceId of ['worn-0', 'worn-1', 'worn-2']) {
      const kept = await keptBy(deviceId);
      expect(kept.map(({ issuer }) => issuer)).toEqual([expect.stringContaining('next')]);
      if (deviceId === 'worn-0') expect(kept[0]?.publicKey.equals(key.publicKey)).toBe(true);
    }
  });
});

describe('a run that cannot go on', () => {
  it('says the code, the step and how to, and revokes nothing before devices have moved', async () => {
    await issueAuthority(
      {
        ...{ name: 'narrow', directory: server.data, passphrase, keyType: 'ec-p256' },
        ...{ pathLenConstraint: 0, extKeyUsage: ['1.3.6.1.5.5.7.3.3'] },
        subjectDer: distinguishedNameDer([{ type: 'commonName', value: 'narrow' }]),
      },
      { directory: server.data, name: 'root', passphrase },
      Date.now(),
    );
    await anOrder(server, 'listed', {
      issuer: 'picky',
      profile: 'devices',
      requiresAllowList: true,
    });
    await allowed('listed', 'listed-0');
    await uploaded('listed', csrsOf(1, 'listed'));
    await allowed('listed', 'another');
    const hold = { deviceIds: ['picky-1'], reason: 'certificateHold' };
    expect((await server.call('POST', '/v1/revocations', { json: hold })).status).toBe(200);
    const dry = await told('picky', '--to', 'unborn', '--dry-run');
    expect(dry.steps).toContainEqual(
      expect.objectContaining({
        step: 'reissue',
        would: { devices: population - 1 },
        left: { refused: 1, onHold: 1, replacedInVain: 0 },
      }),
    );
    const refused = await told('picky', '--to', 'narrow', '--name', 'try', '--yes');
    expect(refused).toMatchObject({ exitCode: 1, state: 'stopped', error: { step: 'reissue' } });
    expect(refused.steps.map(({ state }) => state)).toEqual([
      ...['done', 'done', 'done', 'begun', 'to do', 'to do', 'to do', 'to do'],
    ]);
    // Another key policy since: no request of them passes any more.
    await addProfile('devices', 4, 'ec-p384');
    const args = ['picky', '--to', 'next', '--yes'];
    const rejected = await told(...args);
    expect(rejected).toMatchObject({
      exitCode: 1,
      error: {
        ...{ code: 'STEP_WAITS', step: 'reissue' },
        message: expect.stringMatching(
          /4 of 4 devices .* \(2 rejected, 0 dead letters, 1 refused: .*, 1 on hold\).*--leave-behind 4$/m,
        ) as string,
      },
    });
    const few = await told(...args, '--leave-behind', '3');
    expect(few).toMatchObject({ error: { code: 'STEP_WAITS', step: 'reissue' } });
    expect(await statusesOf('picky-0')).toEqual(['good']);
    const ended = await told(...args, '--leave-behind', '4');
    expect(ended).toMatchObject({
      exitCode: 2,
      state: 'done',
      left: ['4 devices have no new certificate: leave-picky-reissue-1'],
    });
    expect(await statusesOf('picky-0')).toEqual(['revoked']);
  });

  it('refuses the folder of another installation', async () => {
    await using other = await aDataFolder();
    await issueAuthority(
      {
        ...{ name: 'next', directory: other.path, passphrase, keyType: 'ec-p256' },
        ...{ subjectDer: distinguishedNameDer([{ type: 'commonName', value: 'next' }]) },
        pathLenConstraint: 0,
      },
      { directory: server.data, name: 'root', passphrase },
      Date.now(),
    );
    const { stdout } = await typed('next', '--no-reissue', '--yes', '--data', other.path);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'CONFLICT', message: expect.stringContaining('is --data its own?') as string },
    });
  });
});

/** Last: the quorum stays in force. */
describe('where the installation has a quorum', () => {
  it('the run and its operations at the server are approved, and it goes on from each', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const pem = String(publicKey.export({ format: 'pem', type: 'spki' }));
    const quorum = { threshold: 1, approvers: [{ name: 'alice', publicKey: pem }] };
    await writeFile(quorumPolicyFileOf(server.data), serializeQuorumPolicy(quorum));
    const approved = async (file: string): Promise<string[]> => {
      const operation = parseOperation(await readFile(file, 'utf8'), file);
      const nowMs = Date.now();
      const times = { nowMs, expiresMs: nowMs + 86_400_000 };
      const to = `${file}.approval`;
      await writeFile(to, JSON.stringify(approve(operation, 'alice', privateKey, times)));
      return ['--approval', to];
    };
    const args = ['next', '--no-reissue', '--yes'];
    const alone = await typed(...args);
    expect([alone.exitCode, alone.stderr]).toEqual([
      1,
      expect.stringContaining('APPROVAL_REQUIRED'),
    ]);
    expect((await authorityIn(server.data, 'next')).retirement).toBeUndefined();
    const proposal = join(server.data, 'run.json');
    await typed(...args, '--propose', proposal);
    const own = await approved(proposal);
    const stopped = await told(...args, ...own);
    expect(stopped).toMatchObject({ error: { code: 'APPROVAL_REQUIRED', step: 'revoke' } });
    const operation = join(server.data, 'compromises', 'leave-next-revoke.proposed.json');
    const ended = await told(...args, ...own, ...(await approved(operation)));
    expect(ended).toMatchObject({ exitCode: 0, state: 'done' });
    expect(await statusesOf('abused-0')).toEqual(['revoked', 'revoked']);
  });
});
