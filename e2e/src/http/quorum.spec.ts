import { generateKeyPairSync } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { auditBreakOf, type ChainedAuditEntry, type ProposedOperation } from '@certmill/domain';
import { builtInProfileText } from '@certmill/domain/profile-files';
import {
  approve,
  operationHash,
  quorumPolicyFileOf,
  serializeQuorumPolicy,
  type Approval,
  type Operation,
} from '@certmill/trust/approvals';
import { csrsOf, ndjsonOf } from '../testing/a-csr.js';
import {
  aDataFolder,
  anOrder,
  aServerIn,
  aTenantKey,
  ndjson,
  type TestServer,
} from './test-server.js';

const people = Object.fromEntries(
  ['alice', 'bob', 'carol', 'mallory'].map((name) => [name, generateKeyPairSync('ed25519')]),
);
const quorum = {
  threshold: 2,
  approvers: ['alice', 'bob', 'carol'].map((name) => ({
    name,
    publicKey: String(people[name]!.publicKey.export({ format: 'pem', type: 'spki' })),
  })),
};

interface Answer {
  readonly status: number;
  readonly code?: string;
  readonly detail?: string;
  readonly proposed?: ProposedOperation;
  readonly changed?: number;
}

let folder: Awaited<ReturnType<typeof aDataFolder>>;
let server: TestServer;

beforeAll(async () => {
  folder = await aDataFolder();
  server = await aServerIn(folder.path);
  await writeFile(quorumPolicyFileOf(folder.path), serializeQuorumPolicy(quorum));
  for (const order of ['spring', 'summer', 'autumn', 'winter']) {
    await anOrder(server, order);
    const answer = await server.call('POST', `/v1/orders/${order}/batches`, {
      headers: { ...ndjson, 'idempotency-key': `upload-${order}` },
      body: ndjsonOf(csrsOf(3, order)),
    });
    const { batchId } = (await answer.json()) as { readonly batchId: string };
    await (await server.call('GET', `/v1/batches/${batchId}/certificates?follow=true`)).text();
  }
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function called(path: string, json: object, key = server.key): Promise<Answer> {
  const answer = await server.call('POST', path, { json, key });
  return { ...((await answer.json()) as object), status: answer.status };
}

/** What the server wants approved, as it tells it to who asks. */
async function proposed(path: string, json: object): Promise<Operation> {
  const answer = await called(path, { ...json, propose: true });
  expect(answer).toMatchObject({ status: 403, code: 'APPROVAL_REQUIRED' });
  return answer.proposed?.operation as Operation;
}

const dayMs = 86_400_000;
const signed = (operation: Operation, names: readonly string[], agoMs = 0): Approval[] =>
  names.map((name) => {
    const nowMs = Date.now() - agoMs;
    return approve(operation, name, people[name]!.privateKey, { nowMs, expiresMs: nowMs + dayMs });
  });

const byOrder = (orderId: string) => ({ orderId, reason: 'superseded' });
const yamlOf = (name: string): string =>
  builtInProfileText('tls-client').replace(/^name: .*$/m, `name: ${name}`);

async function statusesOf(order: string): Promise<readonly string[]> {
  const answer = await server.call('GET', `/v1/certificates?deviceId=${order}-1`);
  const { items } = (await answer.json()) as { items: readonly { readonly status: string }[] };
  return items.map(({ status }) => status);
}

async function trail(): Promise<readonly ChainedAuditEntry[]> {
  const answer = await server.call('GET', '/v1/audit?limit=1000');
  const { items } = (await answer.json()) as { readonly items: readonly ChainedAuditEntry[] };
  expect(auditBreakOf(items)).toBeUndefined();
  return items;
}

const foundStatus = async (path: string): Promise<number> =>
  (await server.call('GET', path)).status;

const calls = [
  ['the revocation of many', '/v1/revocations', byOrder('spring'), 'mass-revocation'],
  [
    'the revocation of two that are named',
    '/v1/revocations',
    { deviceIds: ['spring-1', 'spring-2'] },
    'mass-revocation',
  ],
  [
    'a mass revocation',
    '/v1/operations',
    { operationId: 'refused', kind: 'revoke', selection: { orderId: 'spring' } },
    'mass-revocation',
  ],
  [
    'a mass reissue',
    '/v1/operations',
    {
      ...{ operationId: 'refused', kind: 'reissue', selection: { orderId: 'spring' } },
      ...{ issuer: 'dev', profile: 'tls-client' },
    },
    'mass-reissue',
  ],
  ['a new profile', '/v1/profiles', { yaml: yamlOf('refused') }, 'profile-change'],
] as const;

describe('where the installation has a quorum', () => {
  describe.each(calls)('%s', (_, path, json, kind) => {
    afterEach(async () => {
      expect(await statusesOf('spring')).toEqual(['good']);
      expect(await foundStatus('/v1/operations/refused')).toBe(404);
      expect(await foundStatus('/v1/profiles/refused')).toBe(404);
    });

    it('is refused without approvals, and the answer says what is to be approved by whom', async () => {
      const { status, code, detail, proposed: wanted } = await called(path, json);
      expect([status, code]).toEqual([403, 'APPROVAL_REQUIRED']);
      expect(wanted).toMatchObject({ threshold: 2, approvers: ['alice', 'bob', 'carol'] });
      expect(wanted?.operation).toMatchObject({
        kind,
        parameters: { call: `POST ${path}`, tenant: 'default' },
      });
      expect(wanted?.sha256).toBe(operationHash(wanted?.operation as Operation));
      expect(detail).toContain('0 of 2 approvals are there; these can approve: alice, bob, carol');
      expect(detail).toContain(wanted?.sha256);
    });

    it.each([
      ['too few', ['alice'], 0, '1 of 2 approvals are there; these can approve: bob, carol'],
      ['the same person twice', ['alice', 'alice'], 0, 'alice: approves twice'],
      ['an outsider', ['alice', 'mallory'], 0, 'mallory: is not among those who can approve'],
      ['those that expired', ['alice', 'bob'], 2 * dayMs, 'bob: the approval expired at'],
    ])('is refused with approvals of %s', async (_name, names, agoMs, reason) => {
      const approvals = signed(await proposed(path, json), names, agoMs);
      const answer = await called(path, { ...json, approvals });
      expect(answer).toMatchObject({ status: 403, code: 'APPROVAL_REQUIRED' });
      expect(answer.detail).toContain(reason);
    });

    it('is refused with approvals of something else', async () => {
      const other = await proposed('/v1/revocations', byOrder('summer'));
      const answer = await called(path, { ...json, approvals: signed(other, ['alice', 'bob']) });
      expect(answer.status).toBe(403);
      expect(answer.detail).toMatch(
        /approves (?:the same operation with other content|another op)/,
      );
    });

    it('is refused with what is no approval', async () => {
      const answer = await called(path, { ...json, approvals: [{ type: 'certmill-approval' }] });
      expect(answer).toMatchObject({ status: 400, code: 'INVALID_INPUT' });
    });
  });

  it.each([
    ['/v1/revocations', byOrder('spring')],
    ['/v1/profiles', { yaml: yamlOf('refused') }],
  ])('approvals of one tenant are not good for another: POST %s', async (path, json) => {
    const approvals = signed(await proposed(path, json), ['alice', 'bob']);
    const key = await aTenantKey(server, 'globex', 'admin');
    const answer = await called(path, { ...json, approvals }, key);
    expect(answer.status).toBe(403);
    expect(answer.detail).toContain('other content');
  });

  it('one certificate, and looking, need none', async () => {
    expect((await called('/v1/revocations', { deviceIds: ['winter-0'] })).status).toBe(200);
    expect(
      await called('/v1/revocations', { deviceIds: ['winter-1'], propose: true }),
    ).toMatchObject({
      status: 409,
    });
    const look = await called('/v1/revocations', { ...byOrder('spring'), dryRun: true });
    expect(look).toMatchObject({ status: 200, changed: 3 });
    const selection = { orderId: 'spring' };
    const mass = { operationId: 'look', kind: 'revoke', selection, dryRun: true };
    expect((await called('/v1/operations', mass)).status).toBe(202);
  });

  it('a call with a date to come is not put to anybody, and uses up no approvals', async () => {
    const dated = (atMs: number) => ({
      ...byOrder('spring'),
      invalidityDate: new Date(atMs).toISOString(),
    });
    const operation = await proposed('/v1/revocations', dated(Date.now() - dayMs));
    const json = dated(Date.now() + dayMs);
    const { invalidityDate } = json;
    const parameters = { ...operation.parameters, invalidityDate };
    const approvals = signed({ ...operation, parameters }, ['alice', 'bob']);
    for (const more of [{ propose: true }, { approvals }, { approvals }]) {
      const answer = await called('/v1/revocations', { ...json, ...more });
      expect(answer).toMatchObject({ status: 400, code: 'INVALID_INPUT' });
    }
    expect((await trail()).filter(({ action }) => action === 'approvals.used')).toEqual([]);
  });

  it('two have many revoked, once, and the trail says who; of two calls at once one does', async () => {
    const approvals = signed(await proposed('/v1/revocations', byOrder('summer')), [
      'carol',
      'bob',
    ]);
    const json = { ...byOrder('summer'), approvals };
    const both = await Promise.all([
      called('/v1/revocations', json),
      called('/v1/revocations', json),
    ]);
    const [done, refused] = both.sort((one, other) => one.status - other.status);
    expect(done).toMatchObject({ status: 200, changed: 3 });
    expect(refused).toMatchObject({ status: 409, code: 'CONFLICT' });
    expect(refused.detail).toContain('used up');
    expect(await statusesOf('summer')).toEqual(['revoked']);
    const used = (await trail()).filter(({ action }) => action === 'approvals.used');
    expect(used).toMatchObject([
      {
        tenant: 'default',
        detail: {
          kind: 'mass-revocation',
          approvers: 'carol, bob',
          operationId: approvals[0]!.operation.id,
        },
      },
    ]);
  });

  it('a profile is added once it is approved, with exactly that content', async () => {
    const approvals = signed(await proposed('/v1/profiles', { yaml: yamlOf('line') }), [
      'alice',
      'bob',
    ]);
    const longer = yamlOf('line').replace(/lifetime: \w+/, 'lifetime: 30d');
    const other = await called('/v1/profiles', { yaml: longer, approvals });
    expect(other).toMatchObject({ status: 403 });
    expect(other.detail).toContain('other content');
    expect((await called('/v1/profiles', { yaml: yamlOf('line'), approvals })).status).toBe(201);
    // It is there, and never changes.
    const headers = { 'content-type': 'application/yaml' };
    const again = await server.call('POST', '/v1/profiles', { headers, body: yamlOf('line') });
    expect(again.status).toBe(201);
    const plain = await server.call('POST', '/v1/profiles', { headers, body: yamlOf('more') });
    expect(plain.status).toBe(403);
  });

  it('a mass operation begins once it is approved, and its approvals begin no other', async () => {
    const json = { operationId: 'fall', kind: 'revoke', selection: { orderId: 'autumn' } };
    const approvals = signed(await proposed('/v1/operations', json), ['alice', 'carol']);
    expect((await called('/v1/operations', { ...json, approvals })).status).toBe(202);
    expect((await called('/v1/operations', { ...json, approvals })).status).toBe(202);
    for (const changes of [{ operationId: 'fall-2' }, { selection: { orderId: 'spring' } }]) {
      const other = await called('/v1/operations', { ...json, ...changes, approvals });
      expect(other.status).not.toBe(202);
    }
    expect(await foundStatus('/v1/operations/fall-2')).toBe(404);
  });

  it('what was used up stays so when the server starts again', async () => {
    const approvals = signed(await proposed('/v1/revocations', byOrder('winter')), [
      'alice',
      'bob',
    ]);
    const json = { ...byOrder('winter'), approvals };
    expect((await called('/v1/revocations', json)).status).toBe(200);
    const { key } = server;
    await server[Symbol.asyncDispose]();
    server = withKey(await aServerIn(folder.path), key);
    expect(await called('/v1/revocations', json, key)).toMatchObject({ status: 409 });
  });

  it.each([
    ['damaged', () => writeFile(quorumPolicyFileOf(folder.path), '{'), 'cannot be read'],
    ['gone', () => rm(quorumPolicyFileOf(folder.path)), 'is gone'],
  ])('a policy that is %s lets nothing pass', async (_, change, reason) => {
    await writeFile(quorumPolicyFileOf(folder.path), serializeQuorumPolicy(quorum));
    await called('/v1/revocations', byOrder('spring'));
    await change();
    const answer = await called('/v1/revocations', byOrder('spring'));
    expect(answer).toMatchObject({ status: 500, code: 'CONFIG_INVALID' });
    expect(answer.detail).toContain(reason);
    expect(await statusesOf('spring')).toEqual(['good']);
  });

  it('no server starts with a policy that is damaged', async () => {
    await server[Symbol.asyncDispose]();
    await writeFile(quorumPolicyFileOf(folder.path), '{');
    await expect(aServerIn(folder.path)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

/** Of a folder whose first credential was told before. */
function withKey(started: TestServer, key: string): TestServer {
  return {
    ...started,
    key,
    call: (method, path, options = {}) => started.call(method, path, { key, ...options }),
  };
}
